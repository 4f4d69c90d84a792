/*
 * expiration.c - from what a client says about time to a deadline: see expiration.h.
 */
#include "server/commands/expiration.h"

#include "server/command.h"

bool expiration_deadline(int64_t amount, struct time_unit unit, int64_t now_ms, int64_t *deadline)
{
    if (unit.seconds && __builtin_mul_overflow(amount, 1000, &amount))
        return false;
    return !__builtin_add_overflow(amount, unit.from_now ? now_ms : 0, deadline);
}

bool expiration_or_reply(struct call *call, int i, struct time_unit unit, int64_t *deadline)
{
    int64_t amount;
    if (!call_i64_or_reply(call, i, &amount, NULL))
        return false;
    if (amount <= 0 || !expiration_deadline(amount, unit, call->keys->now_ms, deadline)) {
        reply_invalid_expire(call);
        return false;
    }
    return true;
}

void reply_invalid_expire(struct call *call)
{
    reply_errorf(call->reply, "ERR invalid expire time in '%s' command", call->command->full_name);
}
