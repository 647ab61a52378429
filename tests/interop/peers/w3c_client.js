// The conversations that a client with a browser's WebSocket holds with our server.
// In Node.js: an argument, the address; in a browser: behind the page's #.
// Sends what went wrong, by conversation, to the path /results.
'use strict';

const inNode = typeof window === 'undefined';
const Socket = inNode ? require('ws') : WebSocket;
const settings = JSON.parse(
  inNode ? process.argv[2] : decodeURIComponent(location.hash.slice(1)),
);

class Session {
  constructor(path, protocols = []) {
    const options = inNode ? [{ perMessageDeflate: settings.offer }] : [];
    this.ws = new Socket(settings.url + path, protocols, ...options);
    this.ws.binaryType = 'arraybuffer';
    this.events = [];
    this.wake = () => {};
    for (const name of ['open', 'message', 'close', 'error']) {
      this.ws.addEventListener(name, (event) => {
        this.events.push([name, event]);
        this.wake();
      });
    }
  }

  async next(wanted) {
    while (!this.events.length) await new Promise((done) => { this.wake = done; });
    const [name, event] = this.events.shift();
    if (name !== wanted) throw new Error(`${name} instead of ${wanted}`);
    return event;
  }

  async opened() {
    await this.next('open');
    return this;
  }

  async message() {
    return (await this.next('message')).data;
  }

  async close(...reason) {
    this.ws.close(...reason);
    return this.next('close');
  }
}

const open = (...parameters) => new Session(...parameters).opened();

function same(got, wanted) {
  const text = (it) => (typeof it === 'string' ? it : JSON.stringify(it));
  if (text(got) !== text(wanted)) {
    throw new Error(`${text(got).slice(0, 80)} instead of ${text(wanted).slice(0, 80)}`);
  }
}

const octets = (data) => [...new Uint8Array(data)];

function random(size) {
  const data = new Uint8Array(size);
  for (let from = 0; from < size; from += 65536) {
    crypto.getRandomValues(data.subarray(from, from + 65536));
  }
  return data;
}

async function echoed(session, data) {
  session.ws.send(data);
  const got = new Uint8Array(await session.message());
  same(got.length, data.length);
  same(got.every((octet, index) => octet === data[index]), true);
}

const conversations = {
  async text() {
    const session = await open('/echo');
    for (const text of ['Grüße 😀', '', 'again', 'again', 'é'.repeat(70000)]) {
      session.ws.send(text);
      same(await session.message(), text);
    }
    await session.close();
  },
  async binary() {
    const session = await open('/echo');
    await echoed(session, Uint8Array.from({ length: 256 }, (_, index) => index));
    await echoed(session, new Uint8Array(0));
    await echoed(session, random(100000));
    await echoed(session, new Uint8Array(100000));
    await session.close();
  },
  async big() {
    const session = await open('/echo');
    await echoed(session, new Uint8Array(20 << 20).fill(7));
    await session.close();
  },
  async utf8() {
    const session = await open('/echo');
    for (let size = 0; size < 200; size++) {
      const text = ['a', 'é', '€', '😀'][size % 4].repeat(size);
      session.ws.send(text);
      same(await session.message(), text);
    }
    await session.close();
  },
  async fragments() {
    const session = await open('/fragments');
    same(await session.message(), 'one, two, drei €');
    same(octets(await session.message()), [0, 1, 2]);
    await session.close();
  },
  async ping() {
    const session = await open('/ping');
    same(await session.message(), 'PongFrame payload');
    await session.close();
  },
  async closeFromThem() {
    const session = await open('/bye');
    const { code, reason, wasClean } = await session.next('close');
    same([code, reason, wasClean], [4001, 'server says bye', true]);
  },
  async closeFromUs() {
    const session = await open('/report');
    const { code, reason, wasClean } = await session.close(4000, 'schöne Grüße');
    same([code, reason, wasClean], [4000, 'schöne Grüße', true]);
    const other = await open('/reported');
    same(await other.message(), '4000 schöne Grüße');
    await other.close();
  },
  async closeWithoutReason() {
    const session = await open('/echo');
    const { code, reason, wasClean } = await session.close();
    same([code, reason, wasClean], [1005, '', true]);
  },
  async tooBig() {
    const session = await open('/echo');
    session.ws.send(new Uint8Array((1 << 25) + 1));
    same((await session.next('close')).code, 1009);
  },
  async subprotocol() {
    const session = await open('/spoken', ['other', 'echo']);
    same(session.ws.protocol, 'echo');
    await session.close();
  },
  async extensions() {
    const session = await open('/echo');
    same(session.ws.extensions.split(';')[0], settings.agreed ? 'permessage-deflate' : '');
    await session.close();
  },
  async inOrder() {
    const session = await open('/echo');
    for (let number = 0; number < 10000; number++) session.ws.send(String(number));
    for (let number = 0; number < 10000; number++) {
      same(await session.message(), String(number));
    }
    await session.close();
  },
};

async function main() {
  const results = {};
  for (const [name, conversation] of Object.entries(conversations)) {
    try {
      await conversation();
      results[name] = null;
    } catch (error) {
      results[name] = String(error);
    }
  }
  const session = await open('/results');
  session.ws.send(JSON.stringify(results));
  await session.next('close');
}

main();
