# The stock python-socketio client, sync or async: stock.py sync|async URL TOKEN TRANSPORTS [alone]. What it hears goes to stdout, a
# JSON text a line. Handlers take exactly one argument, and fail on any more. A line of its stdin is a list: an event and its
# payload, to be sent; what comes back is told as "ack". "alone" is without websocket-client.
import asyncio
import json
import sys

kind, url, token, transports = sys.argv[1:5]
if 'alone' in sys.argv[5:]:
    sys.modules['websocket'] = None
import socketio

TOLD = ['connect', 'disconnect', 'connect_error', 'receive_message', 'delivered', 'member_joined']
ASK = {'url': url, 'auth': {'token': token}, 'transports': transports.split(',')}
BACK = {'reconnection_delay': 0.05, 'reconnection_delay_max': 0.1, 'randomization_factor': 0}


def say(*what):
    sys.stdout.write(json.dumps(what) + '\n')
    sys.stdout.flush()


def payload_of(line):
    name, payload = json.loads(line)
    return name, bytes(payload['bytes']) if 'bytes' in payload else payload


def talk():
    sio = socketio.Client(**BACK)
    for name in TOLD:
        sio.on(name, lambda *what, name=name: say(name, *what))
    try:
        sio.connect(**ASK)
        say('transport', sio.transport())
        for line in sys.stdin:
            say('ack', sio.call(*payload_of(line)))
        sio.disconnect()
    except socketio.exceptions.ConnectionError as e:
        say('refused', str(e))


async def talk_async():
    sio = socketio.AsyncClient(**BACK)
    for name in TOLD:
        async def tell(*what, name=name):
            say(name, *what)
        sio.on(name, tell)
    try:
        await sio.connect(**ASK)
        say('transport', sio.transport())
        while line := await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            say('ack', await sio.call(*payload_of(line)))
        await sio.disconnect()
    except socketio.exceptions.ConnectionError as e:
        say('refused', str(e))


if kind == 'async':
    asyncio.run(talk_async())
else:
    talk()
