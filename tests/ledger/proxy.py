"""A TCP proxy that treats connections badly, for tests of links.

    proxy = Proxy("tcp://127.0.0.1:5555" or "ipc://path", seed)
    client.connect(proxy.endpoint)
    proxy.cut()                     # resets all its connections
    proxy.refuse(True)              # resets new ones too, until refuse(False)
    proxy.stall(to_server=True)     # what comes from clients waits ...; heal() lets it go
    proxy.half_close(to_server=True)    # tells the server that clients have nothing more to say
    proxy.delay(to_server, 0.02)    # each piece waits so long
    proxy.duplicate(to_server, 0.1) # a tenth of the messages arrives twice
    proxy.heal()                    # no fault from now on; broken connections stay broken

It works on bytes, and knows enough of ZMTP 3 (a greeting of 64 bytes, then frames) to duplicate
whole messages: twice the same bytes anywhere else would be no message. It runs on a thread of
its own."""
import asyncio
import random
import socket
import threading

CHUNK = 16384
GREETING = 64
MORE, LONG, COMMAND = 1, 2, 4
TO_SERVER, TO_CLIENT = True, False


def frame_end(data, at):
    """Where the frame that begins at `at` ends, or None while its header is incomplete."""
    if at >= len(data):
        return None
    header = 9 if data[at] & LONG else 2
    if at + header > len(data):
        return None
    return at + header + int.from_bytes(data[at + 1:at + header], "big")


class Messages:
    """Follows one direction of a ZMTP connection, and doubles messages in it."""

    def __init__(self):
        self.greeting = GREETING
        self.buffer = bytearray()   # of the message that is passing, from its first byte
        self.parsed = 0             # of these, whole frames

    def message_end(self):
        """Where the first whole message of the buffer ends, or None."""
        while True:
            end = frame_end(self.buffer, self.parsed)
            if end is None or end > len(self.buffer):
                return None
            more = self.buffer[self.parsed] & MORE
            self.parsed = end
            if not more:
                return end

    def feed(self, chunk, twice):
        """The bytes to pass on; twice() is asked once for each message."""
        out = bytearray(chunk[:self.greeting])
        chunk = chunk[self.greeting:]
        self.greeting -= len(out)
        fresh = len(self.buffer)
        self.buffer += chunk
        while (end := self.message_end()) is not None:
            out += self.buffer[fresh:end]
            if not self.buffer[0] & COMMAND and twice():
                out += self.buffer[:end]
            del self.buffer[:end]
            self.parsed = fresh = 0
        return bytes(out + self.buffer[fresh:])


class Direction:
    """What is done to the bytes of one direction, in all connections."""

    def __init__(self):
        self.open = asyncio.Event()
        self.heal()

    def heal(self):
        self.open.set()
        self.delay = self.duplicate = 0.0


class Proxy:
    def __init__(self, backend, seed=0):
        self.backend = backend
        self.random = random.Random(seed)
        self.links = set()          # pairs of writers: (to server, to client)
        self.half_closed = set()    # writers that have said their last
        self.refusing = False
        self.counts = dict.fromkeys(("connections", "cut", "half_closed", "messages_twice"), 0)
        self.loop = asyncio.new_event_loop()
        self.ways = {TO_SERVER: Direction(), TO_CLIENT: Direction()}
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self.call(asyncio.start_server, self.accept, "127.0.0.1", 0)
        self.endpoint = "tcp://127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]

    # --- what a test does: each waits until it is done

    def call(self, function, *args):
        async def on_loop():
            result = function(*args)
            return await result if asyncio.iscoroutine(result) else result
        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(30)

    def cut(self):
        self.call(self.cut_all)

    def refuse(self, refusing):
        self.refusing = refusing
        if refusing:
            self.cut()

    def stall(self, to_server):
        self.call(self.ways[to_server].open.clear)

    def half_close(self, to_server):
        self.call(self.end_all, to_server)

    def delay(self, to_server, seconds):
        self.ways[to_server].delay = seconds

    def duplicate(self, to_server, probability):
        self.ways[to_server].duplicate = probability

    def heal(self):
        self.refusing = False
        for way in self.ways.values():
            self.call(way.heal)

    def close(self):
        self.call(self.server.close)
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(30)

    # --- on the loop

    def passes(self, direction, chunk):
        """Bytes are on their way; for who looks at them."""

    def cut_all(self):
        for link in list(self.links):
            self.counts["cut"] += 1
            for writer in link:
                reset(writer)

    def end_all(self, to_server):
        for link in list(self.links):
            self.counts["half_closed"] += 1
            self.end(link[0 if to_server else 1])

    def end(self, writer):
        """Nothing more goes to this side."""
        if writer not in self.half_closed and not writer.is_closing():
            self.half_closed.add(writer)
            writer.write_eof()

    async def connect(self):
        kind, _, place = self.backend.partition("://")
        if kind == "ipc":
            return await asyncio.open_unix_connection(place)
        host, _, port = place.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def accept(self, reader, writer):
        self.counts["connections"] += 1
        try:
            if self.refusing:
                raise ConnectionRefusedError
            from_server, to_server = await self.connect()
        except OSError:                     # no broker there now: the client tries again
            reset(writer)
            return
        link = to_server, writer
        self.links.add(link)
        await asyncio.gather(self.carry(reader, to_server, TO_SERVER),
                             self.carry(from_server, writer, TO_CLIENT))
        self.links.discard(link)
        for writer in link:
            writer.close()
            self.half_closed.discard(writer)

    async def carry(self, reader, writer, direction):
        """One direction of one connection, until it ends. What is for a half-closed side is
        lost."""
        way, messages = self.ways[direction], Messages()

        def twice():
            chosen = self.random.random() < way.duplicate
            self.counts["messages_twice"] += chosen
            return chosen
        try:
            while chunk := await reader.read(CHUNK):
                await way.open.wait()
                if way.delay:
                    await asyncio.sleep(way.delay)
                if writer not in self.half_closed:
                    self.passes(direction, chunk)
                    writer.write(messages.feed(chunk, twice))
                    await writer.drain()
            self.end(writer)
        except OSError:                     # cut: by us, or by an end
            reset(writer)


class Recorder(Proxy):
    """Keeps what goes either way, of all its connections together."""

    def __init__(self, backend, seed=0):
        self.kept = {TO_SERVER: bytearray(), TO_CLIENT: bytearray()}
        super().__init__(backend, seed)

    def passes(self, direction, chunk):
        self.kept[direction] += chunk

    def inject(self, data):
        """Says it to the server, in the client's place."""
        self.call(self.write_all, data)

    def write_all(self, data):
        for to_server, _ in self.links:
            to_server.write(data)


def reset(writer):
    """Closes with a reset where there is such a thing: nothing that was on its way arrives."""
    if writer.is_closing():
        return
    sock = writer.get_extra_info("socket")
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()
