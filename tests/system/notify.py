"""What the programs that serve tell their service manager: that they are ready, that they get on,
that they end; and that they say no more when a thread is stuck."""
import os
import signal
import socket
import subprocess
import tempfile

from casebus import BIN, DATA, Broker, await_, main

WATCHDOG_S = 3  # a thread is stuck after half of it
PATIENCE_S = 30


class Manager:
    """The manager's end of NOTIFY_SOCKET."""

    def __init__(self, abstract=False):
        self.dir = tempfile.TemporaryDirectory(prefix="casebus-")
        name = os.path.join(self.dir.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + name if abstract else name)
        self.env = {"NOTIFY_SOCKET": "@" + name if abstract else name,
                    "WATCHDOG_USEC": str(WATCHDOG_S * 1000000)}

    def heard(self, within):
        """The next message, as a dictionary; None: nothing came in time."""
        self.socket.settimeout(within)
        try:
            text = self.socket.recv(4096).decode()
        except socket.timeout:
            return None
        return dict(line.split("=", 1) for line in text.split("\n"))

    def hear(self, key, value="1"):
        """Reads on to a message that has that."""
        while True:
            message = self.heard(PATIENCE_S)
            assert message is not None, "never heard %s=%s" % (key, value)
            if message.get(key) == value:
                return message

    def close(self):
        self.socket.close()
        self.dir.cleanup()


def with_manager(test, abstract=False):
    manager = Manager(abstract)
    try:
        test(manager)
    finally:
        manager.close()


def the_broker_is_ready_gets_on_and_ends():
    def test(manager):
        with Broker(env=manager.env) as broker:
            assert manager.heard(PATIENCE_S) == {"READY": "1", "STATUS": "serving"}
            for _ in range(2):
                beat = manager.heard(PATIENCE_S)
                assert beat and beat["WATCHDOG"] == "1", beat
            broker.publish(os.path.join(DATA, "corrections.ndjson"), code=None)
            await_("told of reports", lambda: not manager.hear("WATCHDOG")["STATUS"].startswith(
                "serving: 0 reports"))
            broker.process.send_signal(signal.SIGTERM)
            manager.hear("STOPPING")
            assert broker.process.wait(30) == 0
            assert manager.heard(0.1) is None
    with_manager(test)
    with_manager(test, abstract=True)


def a_stuck_store_stops_the_watchdog():
    def test(manager):
        with Broker(ipc=True, env=manager.env) as broker:
            fifo = broker.restart_with_stuck_sync()
            manager.hear("STOPPING")  # the first one
            manager.hear("WATCHDOG")
            publishing = broker.start_program("casebus-publish", "--timeout", 60,
                                              os.path.join(DATA, "register.ndjson"))
            with open(fifo, "w"):  # opens when the commit has come to its sync
                stuck = manager.hear("STATUS", "stuck: the store does not get on")
                assert "WATCHDOG" not in stuck
                for _ in range(2):  # and it stays so, although bus and queries go on
                    broker.client().ask("heads")
                    message = manager.heard(PATIENCE_S)
                    assert message and "WATCHDOG" not in message, message
                assert "the store has not got on" in broker.read_log()
            publishing.kill()
            publishing.communicate()
            assert broker.process.wait(60) == 4  # the sync failed
            broker.env = {}
            os.unlink(fifo)
            broker.start()
    with_manager(test)


def another_process_s_watchdog_is_left_alone():
    def test(manager):
        with Broker(env={**manager.env, "WATCHDOG_PID": str(os.getpid())}) as broker:
            assert manager.heard(PATIENCE_S)["READY"] == "1"
            assert manager.heard(WATCHDOG_S) is None
            broker.stop()
            manager.hear("STOPPING")
    with_manager(test)


def a_manager_that_went_away_harms_nobody():
    def test(manager):
        with Broker(env=manager.env) as broker:
            manager.hear("READY")
            manager.socket.close()
            manager.socket = socket.socket()
            broker.publish(os.path.join(DATA, "corrections.ndjson"), code=None)
    with_manager(test)


def the_dashboard_is_ready_gets_on_and_ends():
    def test(manager):
        dashboard = subprocess.Popen(
            [os.path.join(BIN, "casebus-dashboard"), "--http", "127.0.0.1:0",
             "--fanout", "ipc:///nonexistent/fanout", "--query", "ipc:///nonexistent/query"],
            stdout=subprocess.PIPE, env={**os.environ, **manager.env})
        try:
            ready = manager.heard(PATIENCE_S)
            assert ready["READY"] == "1" and "http://127.0.0.1:" in ready["STATUS"], ready
            for _ in range(2):
                beat = manager.heard(PATIENCE_S)
                assert beat and beat["WATCHDOG"] == "1", beat
            dashboard.send_signal(signal.SIGSTOP)
            while manager.heard(WATCHDOG_S):  # what it had said before
                pass
            dashboard.send_signal(signal.SIGCONT)
            manager.hear("WATCHDOG")
            dashboard.send_signal(signal.SIGTERM)
            manager.hear("STOPPING")
            assert dashboard.wait(30) == 0
        finally:
            dashboard.kill()
            dashboard.communicate()
    with_manager(test)


main([the_broker_is_ready_gets_on_and_ends, a_stuck_store_stops_the_watchdog,
      another_process_s_watchdog_is_left_alone, a_manager_that_went_away_harms_nobody,
      the_dashboard_is_ready_gets_on_and_ends])
