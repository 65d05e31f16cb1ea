# A TCP client on the board, step by step; its twin is twin_client.c, call for call.
#
# It says hello, waits for the same to come back, and closes first. Each line that it prints names the
# call and the state that the call brings about (RFC 9293 3.3.2).

import socket
import time

HOST = "192.0.2.1"  # the other end, as an emulated board sees it
PORT = 8080


def step(call, state):
    print("%-10s %s" % (call, state))


client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
step("socket", "CLOSED")
client.connect((HOST, PORT))
step("connect", "SYN_SENT, then ESTABLISHED")

hello = b"hello from the board"
client.sendall(hello)
step("send", "ESTABLISHED")

# A stream has no ends of messages: read until all of it is there.
data = b""
while len(data) < len(hello):
    part = client.recv(64)
    if not part:
        raise OSError("the other end closed after %d of %d bytes" % (len(data), len(hello)))
    data += part
step("recv", "ESTABLISHED")
assert data[: len(hello)] == hello, "other bytes came back than were sent"
client.close()
step("close", "FIN_WAIT_1, FIN_WAIT_2, TIME_WAIT: the stack goes through them alone")

time.sleep_ms(200)  # so that the last segments pass while the program runs
