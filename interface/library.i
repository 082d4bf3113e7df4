/* library.i: what belongs to no device. */
%include "structs.i"

namespace hwsim {

uint32_t check_firmware(const uint8_t *image, size_t size);
std::vector<hwsim_listing> list_devices();
void wait_free(const std::string &name, hwsim::timeout limit = {},
               const hwsim::cancel_token *cancel = nullptr);

} // namespace hwsim

%inline %{
std::vector<hwsim_operation> operations() {
  size_t count = 0;
  const hwsim_operation *table = hwsim_operations(&count);
  return std::vector<hwsim_operation>(table, table + count);
}
%}
