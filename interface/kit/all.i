/* all.i: the whole kit. Include it first of all, before the declarations that it is to cover. Each
 * file includes what it needs itself, so that they may be included one by one, in any order. They
 * say ../kit because SWIG would take a file errors.i of yours for ours otherwise.
 */
%include "../kit/shared.i"
%include "../kit/module.i"
%include "../kit/errors.i"
%include "../kit/arguments.i"
%include "../kit/buffers.i"
%include "../kit/gil.i"
%include "../kit/status.i"
%include "../kit/threads.i"
%include "../kit/callbacks.i"
%include "../kit/handles.i"
%include "../kit/directors.i"
%include "../kit/lifetime.i"
%include "../kit/keywords.i"
%include "../kit/signatures.i"
