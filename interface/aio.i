/* aio.i: the calls that wait, as coroutines; see aio.h and python/hwsim/aio. */
%header %{
#include "aio.h"
%}
%init %{
  if (!aio::add_to(m))
    return -1;
%}
