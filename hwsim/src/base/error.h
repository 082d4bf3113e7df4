/* The error channel: the code is returned, the details are kept for hwsim_error_last(). Each of
 * these functions returns its code. */
#ifndef HWSIM_BASE_ERROR_H
#define HWSIM_BASE_ERROR_H

#include "hwsim/hwsim.h"

hwsim_error error_set(hwsim_error code, const char *device, const char *operation,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
/* With the message of the code. */
hwsim_error error_set_plain(hwsim_error code, const char *device, const char *operation);
hwsim_error error_set_fault(hwsim_error code, int fault, const char *fault_name, const char *device,
                            const char *operation);
/* A behaviour has returned it. */
hwsim_error error_set_reason(hwsim_error code, void *reason, const char *device,
                             const char *operation);
hwsim_error error_no_memory(const char *device, const char *operation);
hwsim_error error_restore(const hwsim_error_info *info);

#endif
