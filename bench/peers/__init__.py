"""The clients that are compared, one module for each library."""

from importlib import import_module

#: Name of a client: module and class.
CLIENTS = {
    "ktorws": ("ktorws_await", "KtorwsAwait"),
    "ktorws, receive_many": ("ktorws_many", "KtorwsMany"),
    "ktorws, loop's transport": ("ktorws_await", "KtorwsLoopTransport"),
    "picows core": ("picows_core", "PicowsCore"),
    "picows core, views": ("picows_core", "PicowsViews"),
    "picows.websockets": ("picows_websockets", "PicowsWebsockets"),
    "aiohttp": ("aiohttp_", "Aiohttp"),
    "websockets": ("websockets_", "Websockets"),
    "websocket-client": ("websocket_client_", "WebsocketClient"),
    "bare asyncio": ("bare_asyncio", "BareAsyncio"),
    "memcpy": ("memcpy", "Memcpy"),
}

#: Clients that block a thread and know no event loop: run once, beside asyncio's.
BLOCKING = frozenset({"websocket-client"})


def peer_class(name):
    """The class of a client, whose library is loaded by this and not before."""
    module, attribute = CLIENTS[name]
    return getattr(import_module(f"bench.peers.{module}"), attribute)
