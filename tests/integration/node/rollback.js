// Transactions that are taken back, as node-redis and ioredis see them: their own errors. Usage: node rollback.js PORT
import assert from 'node:assert/strict';
import Redis from 'ioredis';
import { createClient } from 'redis';

const port = Number(process.argv[2]);
const message = "EXECABORT Transaction rolled back: command 2 'incrby' failed: ERR value is not an integer or out of range";

async function withNodeRedis() {
    const client = await createClient({ socket: { host: '127.0.0.1', port } }).connect();
    await client.mSet({ alice: '100', bob: 'closed' });
    const transfer = () => client.multi().decrBy('alice', 30).incrBy('bob', 30).exec();
    await assert.rejects(transfer, { name: 'Error', errorIndexes: [1] }); // as on Redis: the first step stays
    assert.equal(await client.get('alice'), '70');
    await client.sendCommand(['CLIENT', 'TRANSACTION-ROLLBACK', 'ON']);
    await assert.rejects(transfer, { message });
    assert.equal(await client.get('alice'), '70');
    await client.set('bob', '20');
    assert.deepEqual(await transfer(), [40, 50]);
    await client.close();
}

async function withIoredis() {
    const client = new Redis(port, '127.0.0.1');
    await client.mset({ alice: 100, bob: 'closed' });
    await client.call('CLIENT', 'TRANSACTION-ROLLBACK', 'ON');
    const transfer = () => client.multi().decrby('alice', 30).incrby('bob', 30).exec();
    await assert.rejects(transfer, { name: 'ReplyError', message });
    assert.equal(await client.get('alice'), '100');
    await client.set('bob', '20');
    assert.deepEqual(await transfer(), [[null, 70], [null, 50]]);
    await client.quit();
}

await withNodeRedis();
await withIoredis();
console.log('all done');
