# A TCP server that shows each state of its connections as it comes.
#
#   mpremote connect PORT run tcp_server.py
#   nc ADDRESS 6666            (in another terminal; type something, end it with Ctrl-C or Ctrl-D)
#
# It echoes what it receives. Stop it with Ctrl-C. It runs on any MicroPython board that is in a network;
# a Wi-Fi link must be up already. On firmware with the tracer (module tcptrace) every transition is
# shown with its cause. On other firmware states are inferred from calls: only those that a call's result
# implies, and no later than they were passed.

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


def infer(who, path, call):
    if not tcptrace:
        print("%10d ms  %s  %s  (inferred from calls: %s)" % (time.ticks_ms(), who, path, call))


def address():
    # An emulated board has a LAN interface, most real ones have Wi-Fi: the link that is up is used.
    for name in ("LAN", "WLAN"):
        try:
            nic = network.WLAN(network.STA_IF) if name == "WLAN" else getattr(network, name)()
            if nic.isconnected():
                return nic.ipconfig("addr4")[0] if hasattr(nic, "ipconfig") else nic.ifconfig()[0]
        except (AttributeError, OSError, TypeError, ValueError):
            pass  # firmware without that class, or a board without that hardware
    print("no interface is connected: connect the board to its network (Wi-Fi) first")
    return "0.0.0.0"


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


def serve(connection, who):
    connection.settimeout(0.1)
    # More may have happened by now: data and even a FIN can wait in what accept() gives.
    infer(who, "SYN_RCVD > ESTABLISHED", "accept() returned")
    try:
        while True:
            data = wait(connection.recv, 512)
            if not data:
                infer(who, "ESTABLISHED > CLOSE_WAIT", "recv() returned b''")
                print("the peer has closed; closing too")
                return
            print("received", data)
            connection.send(data)
    except OSError as error:
        if error.errno == 104:  # ECONNRESET
            infer(who, "... > CLOSED", "ECONNRESET")
        print("the connection is gone: errno", error.errno)
    finally:
        connection.close()
        infer(who, "...", "close() returned, what follows no call shows")


where = address()
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", PORT))
server.listen(2)
server.settimeout(0.1)
infer("listener", "CLOSED > LISTEN", "listen() returned")
print("listening on %s port %d" % (where, PORT))
try:
    while True:
        connection, peer = wait(server.accept)
        print("connection from %s port %d" % peer)
        serve(connection, "port %d" % peer[1])
except KeyboardInterrupt:
    print("stopped")
finally:
    server.close()
    infer("listener", "LISTEN > CLOSED", "close() returned")
    time.sleep_ms(50)  # the last segments pass
    show_states()
