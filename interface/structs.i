/* structs.i: the structures of hwsim.h as arguments and results; structs.h converts them. */
%include "kit/errors.i"
%include "kit/arguments.i"
%include "kit/buffers.i"
%include "times.i"

%{
#include "structs.h"
%}

%define %struct_in(TYPE)
%typemap(in, pytype=#TYPE) const TYPE & (TYPE value) {
  value = TYPE();
  if (!structs::from_tuple($input, "$1_name", &value)) SWIG_fail;
  $1 = &value;
}
%enddef
%define %struct_out(TYPE)
%typemap(out, pytype=#TYPE) TYPE "$result = structs::as_object($1);"
%typemap(out, pytype=#TYPE) const TYPE & "$result = structs::as_object(*$1);"
%typemap(out, pytype="list[" #TYPE "]") std::vector<TYPE> "$result = structs::as_list<TYPE>($1);"
%enddef

%struct_in(hwsim_signal)
%struct_in(hwsim_connection)
%struct_in(hwsim_fault)
%struct_in(hwsim_stream_config)
%struct_in(hwsim_firmware_options)

%struct_out(hwsim_config)
%struct_out(hwsim_listing)
%struct_out(hwsim_register)
%struct_out(hwsim_signal)
%struct_out(hwsim_output_scale)
%struct_out(hwsim_link)
%struct_out(hwsim_block)
%struct_out(hwsim_stream_status)
%struct_out(hwsim_calibration)
%struct_out(hwsim_event)
%struct_out(hwsim_subscription_status)
%struct_out(hwsim_operation)
