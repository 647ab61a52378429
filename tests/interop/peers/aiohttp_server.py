"""The server of `scenarios` by ``aiohttp``; gets a certificate and its key."""

import asyncio
import ssl
import sys

from aiohttp import WSMsgType, web

reports = asyncio.Queue()


async def echo(ws):
    async for message in ws:
        if message.type is WSMsgType.TEXT:
            await ws.send_str(message.data)
        else:
            await ws.send_bytes(message.data)


async def fragments(ws):
    # aiohttp has no call for it, and reads fragments only.
    ws._req.transport.write(
        b"\x01\x05one, \x00\x05two, \x80\x08drei \xe2\x82\xac"
        b"\x02\x01\x00\x00\x01\x01\x80\x01\x02"
    )
    await ws.receive()


async def ping(ws):
    await ws.ping(b"payload")
    message = await ws.receive()
    if (message.type, bytes(message.data)) == (WSMsgType.PONG, b"payload"):
        await ws.send_str("pong")
    await ws.receive()


async def bye(ws):
    await ws.close(code=4001, message=b"server says bye")


async def report(ws):
    message = await ws.receive()
    reports.put_nowait(f"{message.data} {message.extra}")


async def reported(ws):
    await ws.send_str(await reports.get())
    await ws.receive()


async def numbers(ws):
    for number in range(int(await ws.receive_str())):
        await ws.send_str(str(number))
    await ws.send_str("end")
    await ws.receive()


async def count(ws):
    number = 0
    async for message in ws:
        if message.data == "end":
            await ws.send_str(str(number))
        elif message.data == str(number):
            number += 1


def serving(handler):
    async def handle(request):
        ws = web.WebSocketResponse(
            protocols=["echo"], max_msg_size=0, autoping=handler is not ping
        )
        await ws.prepare(request)
        await handler(ws)
        return ws

    return web.get(f"/{handler.__name__}", handle)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
    app = web.Application()
    handlers = (echo, fragments, ping, bye, report, reported, numbers, count)
    app.add_routes([serving(handler) for handler in handlers])
    runner = web.AppRunner(app)
    await runner.setup()
    for secure in (None, context):
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=secure).start()
    ports = [address[1] for address in runner.addresses]
    sys.stdout.write("{} {}\n".format(*ports))
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
