"""ktorws through `receive_many`: all that is at hand in one list."""

from bench.peers.ktorws_await import KtorwsAwait


class KtorwsMany(KtorwsAwait):
    """Differs from `KtorwsAwait` in receiving only."""

    async def receive(self, url, meter, *, count, binary=False):
        session = await self.open(url)
        receive_many = session.incoming.receive_many
        with meter:
            await session.send("go")
            while count:
                frames = await receive_many()
                if binary:
                    for frame in frames:
                        _ = frame.data
                else:
                    for frame in frames:
                        frame.read_text()
                count -= len(frames)
        await session.close()

    async def burst(self, url, meter, *, count, size):
        session = await self.open(url)
        send, receive_many = session.send, session.incoming.receive_many
        with meter:
            for _ in range(count):
                await send("go")
                left = size
                while left:
                    frames = await receive_many()
                    for frame in frames:
                        frame.read_text()
                    left -= len(frames)
        await session.close()
