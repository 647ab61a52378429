/* How `await` goes on with an object of ours that is a coroutine.
 *
 * Tasks call am_send, and so does `await` in CPython 3.11; later ones call tp_iternext
 * of all but their own coroutines. Cython has no name for the first, and its second
 * makes a traceback of each end. Set both behind the type's making.
 */
#ifndef KTORWS_AM_SEND_H
#define KTORWS_AM_SEND_H

#define ktorws_set_steps(type, send, next) \
    do { \
        ((PyTypeObject *)(type))->tp_as_async->am_send = (sendfunc)(send); \
        ((PyTypeObject *)(type))->tp_iternext = (iternextfunc)(next); \
    } while (0)

#endif
