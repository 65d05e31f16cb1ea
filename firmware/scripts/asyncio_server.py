# An echo server for several clients at once, with asyncio.
#
#   lwipscope run asyncio_server.py       then, in two other terminals:  nc 127.0.0.1 6666
#
# The handler closes its stream whatever happens: MicroPython does not do it when a task ends. Ctrl-C
# stops the event loop, so it has to run once more to close the listener. asyncio.start_server() sets
# SO_REUSEADDR by itself.

import asyncio

PORT = 6666


async def serve(reader, writer):
    try:
        while True:
            data = await reader.read(512)
            if not data:
                return
            writer.write(data)
            await writer.drain()
    except OSError as error:
        print("lost a client, errno", error.errno)
    finally:
        writer.close()
        await writer.wait_closed()


async def main():
    global server
    server = await asyncio.start_server(serve, "0.0.0.0", PORT, backlog=4)
    print("listening on port", PORT)
    await server.wait_closed()


async def close():
    server.close()
    await server.wait_closed()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("stopped")
    asyncio.run(close())
