# Lesson 2: now the board is the client; the other end closes first.

import socket
import time

PORT = 6666

client = socket.socket()
client.connect(("192.0.2.1", PORT))
client.send(b"hello from the board\n")
print("connected; now end nc with Ctrl-C")
client.recv(100)  # b"" when the other end closes
client.close()
time.sleep_ms(200)  # so that the last segments pass while the program runs
