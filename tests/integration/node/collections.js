// Steps of client.js with lists, sets, hashes and sorted sets.
import assert from 'node:assert/strict';

const plain = (object) => ({ ...object }); // replies have no prototype

export const collectionSteps = {
    async lists(client) {
        assert.equal(await client.rPush('list', ['a', 'b', 'c']), 3);
        assert.equal(await client.lPush('list', 'z'), 4);
        assert.deepEqual(await client.lRange('list', 0, -1), ['z', 'a', 'b', 'c']);
        assert.equal(await client.lIndex('list', -1), 'c');
        assert.equal(await client.lPos('list', 'none'), null);
        assert.deepEqual(await client.lPosCount('list', 'a', 0), [1]);
        assert.equal(await client.lInsert('list', 'AFTER', 'a', 'x'), 5);
        assert.equal(await client.lMove('list', 'other', 'LEFT', 'RIGHT'), 'z');
        assert.deepEqual(await client.lmPop(['none', 'list'], 'RIGHT', { COUNT: 2 }), ['list', ['c', 'b']]);
        assert.deepEqual(await client.lPopCount('list', 5), ['a', 'x']);
        assert.equal(await client.lPop('list'), null);
    },

    async sets(client) {
        assert.equal(await client.sAdd('set', ['a', 'b', 'c']), 3);
        assert.deepEqual((await client.sMembers('set')).sort(), ['a', 'b', 'c']);
        assert.equal(await client.sIsMember('set', 'a'), 1);
        assert.deepEqual(await client.smIsMember('set', ['a', 'x']), [1, 0]);
        assert.equal(await client.sAdd('set2', ['b', 'c', 'd']), 3);
        assert.deepEqual((await client.sInter(['set', 'set2'])).sort(), ['b', 'c']);
        assert.equal(await client.sInterCard(['set', 'set2'], 1), 1);
        assert.equal((await client.sRandMemberCount('set', -5)).length, 5);
        assert.equal((await client.sPopCount('set', 2)).length, 2);
        await client.sAdd('large set', Array.from({ length: 1000 }, (_, i) => `m${i}`));
        const found = new Set();
        for await (const batch of client.sScanIterator('large set', { COUNT: 50 }))
            for (const member of batch)
                found.add(member);
        assert.equal(found.size, 1000);
    },

    async hashes(client) {
        assert.equal(await client.hSet('hash', { f: 'v', g: '1' }), 2);
        assert.equal(await client.hSet('hash', 'h', 2.5), 1);
        assert.deepEqual(plain(await client.hGetAll('hash')), { f: 'v', g: '1', h: '2.5' });
        assert.deepEqual(plain(await client.hGetAll('none')), {});
        assert.deepEqual(await client.hmGet('hash', ['f', 'none']), ['v', null]);
        assert.equal(await client.hIncrBy('hash', 'g', 9), 10);
        assert.equal(await client.hIncrByFloat('hash', 'h', 0.25), '2.75');
        assert.equal((await client.hRandFieldCountWithValues('hash', 2)).length, 2);
        const found = {};
        for await (const batch of client.hScanIterator('hash'))
            for (const { field, value } of batch)
                found[field] = value;
        assert.deepEqual(found, { f: 'v', g: '10', h: '2.75' });
        await assert.rejects(client.hIncrBy('hash', 'f', 1), /ERR hash value is not an integer/);
    },

    async 'fields that expire'(client) {
        await client.hSet('fading', { a: '1', b: '2', c: '3' });
        assert.deepEqual(await client.hExpire('fading', ['a', 'none'], 100), [1, -2]);
        assert.deepEqual(await client.hTTL('fading', ['a', 'b', 'none']), [100, -1, -2]);
        assert.deepEqual(await client.hpExpire('fading', 'a', 50, 'GT'), [0]);
        assert.deepEqual(await client.hPersist('fading', 'a'), [1]);
        assert.deepEqual(await client.hGetEx('fading', 'a', { expiration: { type: 'EX', value: 50 } }), ['1']);
        assert.equal(await client.hSetEx('fading', { d: '4' }, { expiration: { type: 'PX', value: 50000 } }), 1);
        assert.deepEqual(await client.hGetDel('fading', ['b', 'none']), ['2', null]);
    },

    async 'sorted sets'(client) {
        assert.equal(await client.zAdd('zset', [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }]), 2);
        assert.equal(await client.zAdd('zset', { value: 'c', score: Infinity }, { condition: 'NX' }), 1);
        assert.deepEqual((await client.zRangeWithScores('zset', 0, -1)).map(plain),
            [{ value: 'a', score: 1 }, { value: 'b', score: 2.5 }, { value: 'c', score: Infinity }]);
        assert.deepEqual(await client.zRange('zset', '+inf', '(1', { BY: 'SCORE', REV: true }), ['c', 'b']);
        assert.equal(await client.zScore('zset', 'b'), 2.5);
        assert.equal(await client.zScore('zset', 'none'), null);
        assert.equal(await client.zRank('zset', 'b'), 1);
        assert.equal(await client.zIncrBy('zset', 0.5, 'b'), 3);
        assert.deepEqual(plain(await client.zPopMin('zset')), { value: 'a', score: 1 });
        assert.deepEqual((await client.zUnionWithScores(['zset', 'none'])).map(plain),
            [{ value: 'b', score: 3 }, { value: 'c', score: Infinity }]);
        const popped = await client.zmPop('zset', 'MAX', { COUNT: 5 });
        assert.equal(popped.key, 'zset');
        assert.deepEqual(popped.members.map(plain), [{ value: 'c', score: Infinity }, { value: 'b', score: 3 }]);
    },

    async 'waiting for elements'(client) {
        const waiting = await client.duplicate().connect();
        const popped = waiting.blPop(['queue 1', 'queue 2'], 10);
        await client.rPush('queue 2', 'job');
        assert.deepEqual(plain(await popped), { key: 'queue 2', element: 'job' });
        const least = waiting.bzPopMin('line', 10);
        await client.zAdd('line', { value: 'first', score: 1 });
        assert.deepEqual(plain(await least), { key: 'line', value: 'first', score: 1 });
        assert.equal(await waiting.blPop('nothing', 0.01), null);
        await waiting.close();
    },

    async sort(client) {
        await client.rPush('numbers', ['3', '1', '2']);
        assert.deepEqual(await client.sort('numbers', { DIRECTION: 'DESC', LIMIT: { offset: 0, count: 2 } }), ['3', '2']);
        assert.equal(await client.sortStore('numbers', 'sorted', { ALPHA: true }), 3);
    },

    async 'collections in MULTI'(client) {
        const replies = await client.multi().lPush('q', 'x').sAdd('s', 'x').hSet('h', 'f', 'v').zAdd('z', { value: 'm', score: 1 })
            .hGetAll('h').zRangeWithScores('z', 0, -1).exec();
        assert.deepEqual(replies.slice(0, 4), [1, 1, 1, 1]);
        assert.deepEqual(plain(replies[4]), { f: 'v' });
        assert.deepEqual(replies[5].map(plain), [{ value: 'm', score: 1 }]);
    },
};
