"""The application of `scenarios` for servers that speak ASGI."""

import asyncio

reports = asyncio.Queue()


async def receive_message(receive):
    event = await receive()
    if event["type"] == "websocket.disconnect":
        return None
    text = event.get("text")
    return event["bytes"] if text is None else text


async def send_message(send, message):
    key = "text" if isinstance(message, str) else "bytes"
    await send({"type": "websocket.send", key: message})


async def echo(receive, send):
    while (message := await receive_message(receive)) is not None:
        await send_message(send, message)


async def bye(receive, send):
    await send({"type": "websocket.close", "code": 4001, "reason": "server says bye"})


async def report(receive, send):
    event = await receive()
    reports.put_nowait(f"{event['code']} {event.get('reason')}")


async def reported(receive, send):
    await send_message(send, await reports.get())
    await receive()


async def numbers(receive, send):
    for number in range(int(await receive_message(receive))):
        await send_message(send, str(number))
    await send_message(send, "end")
    await receive()


async def count(receive, send):
    number = 0
    while (message := await receive_message(receive)) is not None:
        if message == "end":
            await send_message(send, str(number))
        elif message == str(number):
            number += 1


HANDLERS = (echo, bye, report, reported, numbers, count)
PATHS = {f"/{handler.__name__}": handler for handler in HANDLERS}


async def app(scope, receive, send):
    """The ASGI application."""
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])  # no lifespan, no HTTP
    await receive()
    offered = scope["subprotocols"]
    answer = {"subprotocol": "echo"} if "echo" in offered else {}
    await send({"type": "websocket.accept", **answer})
    await PATHS[scope["path"]](receive, send)
