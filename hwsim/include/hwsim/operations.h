/* The operations: one row each, and everything that follows from it is derived.
 *
 *   X(noun, name, waits, bytes, causes, summary)
 *
 * noun     whose method it is in hwsim.hpp: device, stream, subscription; library: a function
 * name     as in errors, traces and documentation
 * waits    never           a short critical section, no more
 *          when_blocking   for the bus, or for something to happen; takes hwsim_call
 *          computes        for seconds, without the bus; takes hwsim_call
 *          copies          as long as its data need; cannot be stopped
 *          in_slices       as long as what happens meanwhile needs; others have their turn, and
 *                          hwsim_device_cancel(), a close or an interruption ends it
 * bytes    on the bus; of one register where there are several; 0: does not use the bus
 * causes   the kind of event that it may cause by itself (HWSIM_EVENTS), or NOTHING
 * summary  one line for the documentation
 *
 * From it come the constant half of each operation in the library, the names in errors, the GIL's
 * policies in the Python binding, hwsim.operations(), the tables in the documentation and what the
 * tests iterate over. This header holds nothing but the macro: SWIG reads it, too. */
#ifndef HWSIM_OPERATIONS_H
#define HWSIM_OPERATIONS_H

#define HWSIM_OPERATIONS(X)                                                                        \
  X(device, open, never, 0, NOTHING, "Opens the device that a resource string names")              \
  X(device, close, never, 0, NOTHING, "Ends every operation on the device, and frees its name")    \
  X(device, cancel, never, 0, NOTHING, "Ends every operation that waits on the device now")        \
  X(device, reset, when_blocking, 4, REGISTER, "Sets the registers to their reset values")         \
  X(device, timeout, never, 0, NOTHING, "The default timeout of the device's operations")          \
  X(device, transactions, never, 0, NOTHING, "How many operations have been put on the bus")       \
  X(device, pending, never, 0, NOTHING, "How many operations wait now")                            \
  X(device, wait_pending, when_blocking, 0, NOTHING, "Waits until so many operations wait")        \
  X(device, connected, never, 0, NOTHING, "Whether the device is connected, and has power")        \
  X(device, wait_connected, when_blocking, 0, NOTHING, "Waits until the device comes, or goes")    \
  X(device, now, never, 0, NOTHING, "The device's time since it was opened")                       \
  X(device, advance, in_slices, 0, NOTHING, "Moves a manual clock on")                             \
  X(device, read_register, when_blocking, 4, NOTHING, "Reads a register")                          \
  X(device, write_register, when_blocking, 4, REGISTER, "Writes a register")                       \
  X(device, read_block, when_blocking, 4, NOTHING, "Reads consecutive registers, atomically")      \
  X(device, write_block, when_blocking, 4, REGISTER, "Writes consecutive registers, atomically")   \
  X(device, read_bytes, when_blocking, 1, NOTHING, "Reads bytes of registers or of a memory")      \
  X(device, write_bytes, when_blocking, 1, REGISTER, "Writes bytes of registers or of a memory")   \
  X(device, update_register, when_blocking, 8, REGISTER, "Changes some bits of a register")        \
  X(device, wait_register, when_blocking, 4, NOTHING, "Waits until a register has a value")        \
  X(device, set_signal, copies, 0, NOTHING, "Connects a signal to a channel")                      \
  X(device, get_signal, never, 0, NOTHING, "The signal that is connected to a channel")            \
  X(device, default_signal, never, 0, NOTHING, "The power-on signal of a channel")                 \
  X(device, output, never, 0, NOTHING, "The voltage of an output")                                 \
  X(device, set_output, when_blocking, 2, REGISTER, "Sets the voltage of an output")               \
  X(device, connect, copies, 0, NOTHING, "Connects an output to a channel")                        \
  X(device, disconnect, never, 0, NOTHING, "Takes an output away from a channel")                  \
  X(device, connections, never, 0, NOTHING, "What is connected to its channels and outputs")       \
  X(device, read_voltage, when_blocking, 2, NOTHING, "Converts a channel's next sample")           \
  X(device, read_voltages, when_blocking, 2, NOTHING, "Converts several channels at one instant")  \
  X(device, calibrate, computes, 0, NOTHING, "Measures the converter of a channel, corrects it")   \
  X(device, clear_calibration, never, 0, NOTHING, "Removes the correction of a channel")           \
  X(device, program_firmware, when_blocking, 0, FIRMWARE, "Programs a firmware image")             \
  X(device, firmware_version, never, 0, NOTHING, "The version of the firmware that runs")          \
  X(device, timer, never, 0, NOTHING, "The period of the timer events")                            \
  X(device, set_threshold, never, 0, NOTHING, "Gives a channel a comparator")                      \
  X(device, clear_threshold, never, 0, NOTHING, "Removes the comparator of a channel")             \
  X(device, trigger, when_blocking, 4, TRIGGER, "Sends a software trigger")                        \
  X(device, inject, never, 0, NOTHING, "Makes operations fail")                                    \
  X(device, clear_faults, never, 0, NOTHING, "Disarms every fault")                                \
  X(device, stream, never, 0, NOTHING, "Starts a continuous acquisition")                          \
  X(stream, read, when_blocking, 0, NOTHING, "Reads consecutive samples of a stream")              \
  X(stream, stop, never, 0, NOTHING, "Ends a stream")                                              \
  X(stream, status, never, 0, NOTHING, "How many samples are available, read and lost")            \
  X(device, subscribe, never, 0, NOTHING, "Subscribes to events, for a queue or a callback")       \
  X(subscription, next, when_blocking, 0, NOTHING, "Takes events from a subscription's queue")     \
  X(subscription, close, never, 0, NOTHING, "Ends a subscription")                                 \
  X(subscription, status, never, 0, NOTHING, "How many events are queued, delivered and lost")     \
  X(library, list_devices, copies, 0, NOTHING, "Lists the devices that can be seen")               \
  X(library, wait_free, when_blocking, 0, NOTHING, "Waits until a name is not in use")             \
  X(library, find_register, never, 0, NOTHING, "Finds a register by its name")                     \
  X(library, check_firmware, copies, 0, NOTHING, "Checks a firmware image")                        \
  X(library, stop, never, 0, NOTHING, "Stops the thread that calls the handlers of events")

#endif
