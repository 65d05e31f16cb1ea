# A TCP server on the board, step by step; its twin is twin_server.c, call for call.
#
# It serves one client: sends back what comes until the client ends its side, then closes. Each line
# that it prints names the call and the state that the call brings about (RFC 9293 3.3.2).

import socket
import time

PORT = 8080


def step(call, state):
    print("%-10s %s" % (call, state))


server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
step("socket", "CLOSED")
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("0.0.0.0", PORT))
step("bind", "CLOSED")
server.listen(2)
step("listen", "LISTEN")

client, there = server.accept()
step("accept", "ESTABLISHED, on a socket of its own")
while True:
    data = client.recv(512)
    if not data:
        break  # 0 bytes: the other end has sent its FIN, and all before it was read
    step("recv", "ESTABLISHED")
    # send() may take less than it is given; sendall() goes on.
    client.sendall(data)
    step("send", "ESTABLISHED")
step("recv: 0", "CLOSE_WAIT")
client.close()
step("close", "LAST_ACK, then CLOSED")
server.close()
step("close", "LISTEN to CLOSED: the server's own socket")

time.sleep_ms(200)  # so that the last segments pass while the program runs
