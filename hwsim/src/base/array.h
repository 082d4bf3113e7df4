/* How many elements an array has. */
#ifndef HWSIM_BASE_ARRAY_H
#define HWSIM_BASE_ARRAY_H

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof *(array))

#endif
