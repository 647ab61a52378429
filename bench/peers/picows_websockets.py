"""picows under the interface of websockets."""

from picows.websockets.asyncio.client import connect

from bench.peers.websockets_ import WebsocketsLike


class PicowsWebsockets(WebsocketsLike):
    """The same calls as `Websockets`."""

    def connect(self, url, **options):
        if self.ssl is None:
            options.pop("ssl", None)
        return connect(url, **options)
