%module modbus
%include "all.i"
%{
#include <modbus.h>
#include <sys/socket.h>
static void finish(modbus_t *connection) {
  modbus_close(connection);
  modbus_free(connection);
}
// What waits for an answer gets an error instead.
static void hang_up(modbus_t *connection) { shutdown(modbus_get_socket(connection), SHUT_RDWR); }
%}

%error_class(ModbusError, OSError)
%error_class(ModbusTimeout, ModbusError, TimeoutError)
%status(int, status == -1, modbus_strerror(errno),
        errno == ETIMEDOUT ? ModbusTimeout : ModbusError, errno)

%wakes(hang_up(arg1), modbus_t::connect, modbus_t::read_registers, modbus_t::write_registers,
       modbus_t::write_register, modbus_t::read_bits, modbus_t::write_bits)
%quick(modbus_t::set_slave, modbus_t::set_response_timeout)
%buffer_out(uint16_t, (int count, uint16_t *registers_out))
%buffer_in(uint16_t, (int count, const uint16_t *registers))
%buffer_out(uint8_t, (int count, uint8_t *bits_out))
%buffer_in(uint8_t, (int count, const uint8_t *bits))

%rename(Connection) modbus_t;
%handle(modbus_t, finish, hang_up(handle))
%one_at_a_time(modbus_t)
%opens(modbus_t, (const char *address, int port),
       (opened = modbus_new_tcp(address, port)) ? 0 : -1, status, modbus_strerror(errno),
       ModbusError, errno)
%functions(modbus_t, modbus_, connect, set_slave, set_response_timeout, read_registers,
           write_registers, write_register, read_bits, write_bits)
%extend modbus_t {
  int connect();
  int set_slave(int slave);
  int set_response_timeout(uint32_t seconds, uint32_t microseconds);
  int read_registers(int address, int count, uint16_t *registers_out);
  int write_registers(int address, int count, const uint16_t *registers);
  int write_register(int address, uint16_t value);
  int read_bits(int address, int count, uint8_t *bits_out);
  int write_bits(int address, int count, const uint8_t *bits);
}
