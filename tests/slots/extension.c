/* Imports two functions in all the ways that a compiler knows: a call, an address, and an address
 * in data. */
extern int released(void);
extern int retaken(void);

int (*const in_data)(void) = released;

int by_call(void) { return released() + 10 * retaken(); }

int by_address(void) {
  int (*volatile function)(void) = retaken;
  return function();
}

int by_data(void) { return in_data(); }
