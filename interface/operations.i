/* operations.i: the policies, by rule: each row of the library's table says whether the operation
 * waits. Nothing waits that has no row, because the library makes its own `struct op` from it. So
 * everything else is a critical section, short by the library's own rule, and holds the GIL.
 *
 * What waits or takes long may also raise what a callback raised before. The rest never does: what
 * close() and its like are called for must be done.
 */
%include "hwsim/operations.h"

%gil_default(hold)

%define %policy_never(NAME)
%enddef
/* Zero-latency devices and virtual clocks never wait; on others most waits are long. */
%define %policy_when_blocking(NAME)
%blocks(NAME)
%enddef
%define %policy_computes(NAME)
%computes(NAME)
%enddef
%define %policy_copies(NAME)
%policy_computes(NAME)
%enddef

/* It does what it is called for, whatever a callback has raised. */
%define %policy_in_slices(NAME)
%gil_when_blocking(NAME)
%enddef

%define %policy_of_device(NAME, WAITS)
%policy_##WAITS(hwsim::device::NAME)
%enddef
%define %policy_of_stream(NAME, WAITS)
%policy_##WAITS(hwsim::stream::NAME)
%enddef
%define %policy_of_subscription(NAME, WAITS)
%policy_##WAITS(hwsim::subscription::NAME)
%enddef
%define %policy_of_library(NAME, WAITS)
%policy_##WAITS(hwsim::NAME)
%enddef
%define %policy_of_row(NOUN, NAME, WAITS, BYTES, CAUSES, SUMMARY)
%policy_of_##NOUN(NAME, WAITS)
%enddef
HWSIM_OPERATIONS(%policy_of_row)

/* The exceptions: a second __init__ of the same object is refused; see lifetime.i. */
%initialise_once(hwsim::cancel_token::cancel_token)
%initialise_once(hwsim::device::device)
%initialise_once(hwsim::model::model)
%initialise_once(hwsim::stream::stream)
%initialise_once(hwsim::subscription::subscription)
