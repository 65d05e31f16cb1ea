# A TCP server that shows each state of its connections as it comes.
#
#   mpremote connect PORT run tcp_server.py
#   nc ADDRESS 6666            (in another terminal; type something, end it with Ctrl-C or Ctrl-D)
#
# It echoes what it receives. Stop it with Ctrl-C. On firmware with the tracer (module tcptrace) every
# transition is shown with its cause; on other firmware the server runs, and states are not seen.

import network
import socket
import time

PORT = 6666

try:
    import tcptrace
except ImportError:
    tcptrace = None


def show_states():
    # Where lwipscope listens on the line (stream on), it shows them.
    if tcptrace and tcptrace.stream() == "off":
        for clock_us, conn, before, after, cause in tcptrace.states():
            print("%10.3f ms  c%d  %-11s > %-11s  %s" % (clock_us / 1000, conn, before, after, cause))


def address():
    # An emulated board has a LAN interface, most real ones have Wi-Fi.
    for name in ("LAN", "WLAN"):
        if hasattr(network, name):
            nic = getattr(network, name)()
            return nic.ipconfig("addr4")[0] if hasattr(nic, "ipconfig") else nic.ifconfig()[0]


def wait(call, *args):
    # Calls a socket function until it stops timing out, and shows the states meanwhile.
    while True:
        try:
            return call(*args)
        except OSError as error:
            if error.errno not in (11, 110, 116):  # EAGAIN, and ETIMEDOUT as different ports number it
                raise
        finally:
            show_states()


def serve(connection):
    connection.settimeout(0.1)
    try:
        while True:
            data = wait(connection.recv, 512)
            if not data:
                print("the peer has closed; closing too")
                return
            print("received", data)
            connection.send(data)
    except OSError as error:
        print("the connection is gone: errno", error.errno)
    finally:
        connection.close()


server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(2)
server.settimeout(0.1)
print("listening on %s port %d" % (address(), PORT))
try:
    while True:
        connection, peer = wait(server.accept)
        print("connection from %s port %d" % peer)
        serve(connection)
except KeyboardInterrupt:
    print("stopped")
finally:
    server.close()
    time.sleep_ms(50)  # the last segments pass
    show_states()
