/* all.i: the whole kit. Each file includes what it needs itself, so that they may be included one
 * by one, in any order.
 */
%include "module.i"
%include "errors.i"
%include "arguments.i"
%include "buffers.i"
%include "gil.i"
%include "callbacks.i"
%include "lifetime.i"
%include "keywords.i"
%include "signatures.i"
