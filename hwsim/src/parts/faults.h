/* Faults: what hits an operation. A fault has an outcome, which is written into the operation's
 * fate; what follows from that is the timeline's and the device's. */
#ifndef HWSIM_PARTS_FAULTS_H
#define HWSIM_PARTS_FAULTS_H

#include "timeline/operation.h"

typedef struct faults faults;

size_t faults_size(void);
/* EINVALID, with details: the fault cannot hit a device of this model. */
hwsim_error fault_check(const hwsim_model *model, const char *device, const char *operation,
                        const hwsim_fault *fault);
/* The rest: mutex held. */
hwsim_error faults_add(hwsim_device *device, const hwsim_fault *fault);
void faults_clear(hwsim_device *device);
void faults_decide(hwsim_device *device, op *self);
void faults_suffered(hwsim_device *device, const op *self, int64_t at_ns);

#endif
