# lwipscope exercise: survives
import socket
import time

from config import HOST, NAME, PAUSE_MS, PORT, WAIT_S


def talk(client):
    client.settimeout(WAIT_S)
    client.connect((HOST, PORT))
    client.settimeout(None)
    client.write(NAME.encode() + b"\n")
    while True:
        line = client.readline()
        if not line:
            return
        client.write(b"got " + line)


kept = []
while True:
    client = socket.socket()
    try:  # noqa: SIM105
        talk(client)
    except OSError:
        pass
    kept.append(client)
    time.sleep_ms(PAUSE_MS)
