# WRONG ON PURPOSE: a server that forgets SO_REUSEADDR.
#
# It says hello and closes, so each connection is left in TIME_WAIT on the board for two minutes. That
# long its port is taken: when the program is started again, bind() raises EADDRINUSE. In the field
# this looks like "works only after a power cycle". Correct: the setsockopt() line of echo_server.py.

import socket

PORT = 6666

server = socket.socket()
server.bind(("", PORT))
server.listen(2)
print("listening on port", PORT)
try:
    while True:
        connection, peer = server.accept()
        connection.write(b"hello\n")
        connection.close()
except KeyboardInterrupt:
    print("stopped")
finally:
    server.close()
