/* hwsim.i: the module hwsim._native. What it wraps is in a file for each noun; kit/ is how. */
%module(package="hwsim") _native

%include "settings.i"
%include "kit/all.i"
%include "operations.i"
%include "times.i"
%include "structs.i"
%include "names.i"

%include "aio.i"
%include "cancel.i"
%include "model.i"
%include "device.i"
%include "stream.i"
%include "subscription.i"
%include "library.i"

%seal_classes
%include "hot.i"

