// node-redis does its usual work: connect, MULTI, WATCH, scan. Usage: node client.js PORT
// Prints a line for each step that worked; any 'error' event of a client ends the run.
import assert from 'node:assert/strict';
import { createClient, WatchError } from 'redis';
import { collectionSteps } from './collections.js';

const port = Number(process.argv[2]);

async function connected(options = {}) {
    const client = createClient({ socket: { host: '127.0.0.1', port }, ...options });
    client.on('error', (error) => {
        console.error("an 'error' event:", error);
        process.exit(1);
    });
    await client.connect();
    return client;
}

const steps = {
    async 'connect with RESP3'(client) {
        assert.equal(await client.ping(), 'PONG');
        const three = await connected({ RESP: 3, name: 'three', database: 2 });
        assert.equal(await three.clientGetName(), 'three');
        const info = await three.sendCommand(['CLIENT', 'INFO']);
        assert.match(info, / db=2 .* resp=3/);
        if (info.includes('lib-name=')) // since Redis 7.2
            assert.match(info, / lib-name=node-redis/);
        await three.close();
    },

    async 'connect with RESP2'() {
        const two = await connected({ RESP: 2 });
        assert.equal(await two.ping(), 'PONG');
        await two.close();
    },

    async strings(client) {
        assert.equal(await client.set('k', 'v', { expiration: { type: 'EX', value: 100 } }), 'OK');
        assert.equal(await client.get('k'), 'v');
        assert.equal(await client.ttl('k'), 100);
        assert.equal(await client.get('none'), null);
        assert.equal(await client.incrBy('n', 5), 5);
        assert.deepEqual(await client.mGet(['k', 'n', 'none']), ['v', '5', null]);
        await assert.rejects(client.incr('k'), /ERR value is not an integer or out of range/);
    },

    async 'automatic pipeline'(client) {
        const replies = await Promise.all(Array.from({ length: 5000 }, (_, i) => client.incr('pipelined')));
        assert.deepEqual(replies, Array.from({ length: 5000 }, (_, i) => i + 1));
    },

    async multi(client) {
        assert.deepEqual(await client.multi().set('a', '1').incr('a').get('a').exec(), ['OK', 2, '2']);
        await assert.rejects(client.multi().set('text', 'word').incr('text').exec());
    },

    async watch(client) {
        const other = await connected();
        await client.watch('watched');
        await other.set('watched', '1');
        await assert.rejects(client.multi().set('watched', '2').exec(), WatchError);
        assert.equal(await client.get('watched'), '1');
        await client.watch('watched');
        assert.deepEqual(await client.multi().set('watched', '3').exec(), ['OK']);
        await other.close();
    },

    async 'channels and patterns'(client) {
        for (const RESP of [2, 3]) {
            const listener = await connected({ RESP });
            const heard = [];
            await listener.subscribe('news', (text, channel) => heard.push([channel, text]));
            await listener.pSubscribe('n*', (text, channel) => heard.push(['n*', channel, text]));
            await listener.sSubscribe('shard', (text, channel) => heard.push([channel, text]));
            assert.equal(await client.publish('news', 'hello'), 2);
            assert.equal(await client.sPublish('shard', 'there'), 1);
            assert.deepEqual((await client.pubSubChannels()).sort(), ['news']);
            assert.match(await listener.ping(), /^pong$/i); // behind the messages
            assert.deepEqual(heard, [['news', 'hello'], ['n*', 'news', 'hello'], ['shard', 'there']]);
            await listener.unsubscribe();
            await listener.pUnsubscribe();
            await listener.sUnsubscribe();
            assert.equal(await client.publish('news', 'nobody'), 0);
            await listener.set('k', 'an ordinary client again');
            await listener.close();
        }
    },

    async 'client-side caching'(client) {
        const caching = await connected({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } });
        await client.set('cached', '1');
        assert.equal(await caching.get('cached'), '1');
        assert.equal(await caching.get('cached'), '1');
        await client.set('cached', '2');
        await caching.ping(); // behind the word that it has changed
        assert.equal(await caching.get('cached'), '2');
        assert.match(await client.info('clients'), /tracking_clients:1/);
        await caching.close();
    },

    async 'scan iterator'(client) {
        const keys = Array.from({ length: 1000 }, (_, i) => `scan:${i}`);
        await client.mSet(keys.map((key) => [key, 'x']));
        const found = new Set();
        for await (const batch of client.scanIterator({ MATCH: 'scan:*', COUNT: 100 }))
            for (const key of batch)
                found.add(key);
        assert.equal(found.size, 1000);
    },

    async introspection(client) {
        assert.match(await client.info('server'), /redis_version:\d+\.\d+/);
        assert.deepEqual({ ...await client.configGet('maxmemory') }, { maxmemory: '0' });
        assert.ok((await client.commandCount()) > 50);
        assert.ok((await client.clientList()).length >= 1);
    },
};

const client = await connected();
await client.flushAll();
for (const [name, step] of Object.entries({ ...steps, ...collectionSteps })) {
    await step(client);
    console.log(name);
}
await client.close();
console.log('all done');
