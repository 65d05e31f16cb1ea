# A client that reports to a server and connects again whenever the connection is lost.
#
#   nc -lk -p 6666                        in one terminal
#   lwipscope run reconnecting_client.py  in another one; end nc and start it again
#
# Each attempt has a socket of its own, closed whatever happens: a socket whose connect() failed can't be
# used again, and forgotten ones fill lwIP's pool. The pause doubles up to a limit, so that a server
# which is down is not flooded.

import socket
import time

SERVER = ("192.0.2.1", 6666)
PAUSE_MS = 100
MOST_PAUSE_MS = 5000


def report(client):
    # Until the server closes (recv() returns b"") or the connection fails (OSError).
    client.write(b"hello from the board\n")
    while True:
        data = client.recv(512)
        if not data:
            print("the server has closed")
            return
        print("received", data)


pause_ms = PAUSE_MS
try:
    while True:
        client = socket.socket()
        try:
            client.settimeout(10)
            client.connect(SERVER)
            print("connected")
            pause_ms = PAUSE_MS
            client.settimeout(None)
            report(client)
        except OSError as error:
            print("no connection, errno", error.errno)
        finally:
            client.close()
        time.sleep_ms(pause_ms)
        pause_ms = min(2 * pause_ms, MOST_PAUSE_MS)
except KeyboardInterrupt:
    print("stopped")
