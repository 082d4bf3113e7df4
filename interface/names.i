/* names.i: the rule for names in Python. A class loses its underscore. A member gets one, which
 * says that python/hwsim completes it, except those that are right as they are.
 */
/* One wrapper for each method, whatever its defaults. */
%feature("compactdefaultargs");

%rename("%(camelcase)s", %$isclass) "";
%rename("_%s", %$ismember, %$isfunction) "";

%rename("%s") hwsim::cancel_token::cancel;
%rename("%s") hwsim::device::advance;
%rename("%s") hwsim::device::cancel;
%rename("%s") hwsim::device::clear_calibration;
%rename("%s") hwsim::device::clear_faults;
%rename("%s") hwsim::device::clear_threshold;
%rename("%s") hwsim::device::close;
%rename("%s") hwsim::device::disconnect;
%rename("%s") hwsim::stream::stop;
%rename("%s") hwsim::subscription::close;
%rename(_timeout) hwsim::device::default_timeout;
%rename(_set_timeout) hwsim::device::set_default_timeout;
