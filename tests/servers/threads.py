"""Threads, asyncio, processes and subprocesses of CPython, with everything checked."""
import asyncio
import concurrent.futures
import hashlib
import multiprocessing
import os
import queue
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time


def threads():
    jobs, done = queue.Queue(), queue.Queue()

    def work(name):
        while (job := jobs.get()) is not None:
            done.put((name, job, hashlib.sha256(str(job).encode()).hexdigest()))
            if job % 10 == 0:
                time.sleep(0.001)

    team = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in team:
        thread.start()
    for job in range(200):
        jobs.put(job)
    for _ in team:
        jobs.put(None)
    for thread in team:
        thread.join()
    results = [done.get() for _ in range(200)]
    assert sorted(job for _, job, _ in results) == list(range(200))
    print("threads", [sum(1 for n, _, _ in results if n == i) for i in range(4)])
    lock, total = threading.Condition(), [0]

    def wait_for(turn):
        with lock:
            assert lock.wait_for(lambda: total[0] == turn, timeout=20)
            total[0] += 1
            lock.notify_all()

    team = [threading.Thread(target=wait_for, args=(n,)) for n in reversed(range(8))]
    for thread in team:
        thread.start()
    for thread in team:
        thread.join()
    print("turns", total[0])


async def echo_server():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def client(number):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for i in range(20):
            writer.write(f"client {number} line {i}\n".encode())
            assert await reader.readline() == f"CLIENT {number} LINE {i}\n".encode()
            if i % 7 == 0:
                await asyncio.sleep(0.001)
        writer.close()
        return number

    numbers = await asyncio.gather(*(client(n) for n in range(10)))
    slow = asyncio.create_subprocess_shell("sleep 0.02; echo from the shell", stdout=-1)
    out, _ = await (await slow).communicate()
    try:
        await asyncio.wait_for(asyncio.sleep(10), 0.01)
        raise AssertionError("no time-out")
    except asyncio.TimeoutError:
        pass
    server.close()
    print("asyncio", port, sum(numbers), out)


def square(n):
    return n * n, os.getpid()


def processes():
    with multiprocessing.Pool(3) as pool:
        got = pool.map(square, range(60), chunksize=5)
    assert [n for n, _ in got] == [n * n for n in range(60)]
    print("pool", sorted({pid for _, pid in got}))
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print("executor", sum(n for n, _ in pool.map(square, range(20))))
    shared, lock = multiprocessing.Value("i", 0), multiprocessing.Lock()

    def add():
        for _ in range(50):
            with lock:
                shared.value += 1

    context = multiprocessing.get_context("fork")
    team = [context.Process(target=add) for _ in range(3)]
    for process in team:
        process.start()
    for process in team:
        process.join()
    assert shared.value == 150 and all(p.exitcode == 0 for p in team)
    print("shared", shared.value, [p.pid for p in team])


def subprocesses():
    out = subprocess.run(["sort", "-r"], input=b"a\nc\nb\n", capture_output=True, check=True).stdout
    assert out == b"c\nb\na\n"
    late = subprocess.Popen(["sleep", "30"])
    try:
        late.wait(0.05)
        raise AssertionError("no time-out")
    except subprocess.TimeoutExpired:
        late.terminate()
    print("subprocess", late.wait(), subprocess.getoutput("echo $PPID; date +%N"))


def inputs():
    with tempfile.NamedTemporaryFile() as file:
        file.write(os.urandom(5000))
        file.flush()
        print("file", file.name, hashlib.md5(open(file.name, "rb").read()).hexdigest())
    left, right = socket.socketpair()
    left.sendall(b"x" * 100)
    print("pair", right.recv(1000).count(b"x"))
    print("random", random.random(), hash("hash seed"), id(object()), time.time(), os.getpid())
    print("clocks", time.monotonic_ns(), time.perf_counter_ns(), time.process_time_ns())


if __name__ == "__main__":
    part = sys.argv[1]
    if part == "asyncio":
        asyncio.run(echo_server())
    else:
        {"threads": threads, "processes": processes, "subprocesses": subprocesses, "inputs": inputs}[part]()
    print("ok")
