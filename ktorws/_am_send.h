/* What `await` calls on an object of ours that is a coroutine.
 *
 * Cython has no name for it; without it, each value would travel in a StopIteration.
 */
#ifndef KTORWS_AM_SEND_H
#define KTORWS_AM_SEND_H

#define ktorws_set_send(type, function) \
    (((PyTypeObject *)(type))->tp_as_async->am_send = (sendfunc)(function))

#endif
