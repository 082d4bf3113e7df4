/* SWIG as it comes: proxy classes in Python; threads="1", that is -threads, releases the GIL. */
%module(threads="1") swig_peer

%{
#include "device.hpp"
%}

%include <exception.i>
%include <stdint.i>
%include <std_string.i>

%exception {
  try {
    $action
  } catch (const std::exception &e) {
    SWIG_exception(SWIG_RuntimeError, e.what());
  }
}

%include "device.hpp"
