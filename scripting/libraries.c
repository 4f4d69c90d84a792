/*
 * libraries.c - which name has which library.
 */
#include "scripting/libraries.h"

#include <lauxlib.h>

void libraries_open(lua_State *L)
{
    static const luaL_Reg libraries[] = {{"bit", lib_bit_open},
                                         {"struct", lib_struct_open},
                                         {"cmsgpack", lib_cmsgpack_open},
                                         {"cjson", lib_cjson_open}};
    for (size_t i = 0; i < sizeof libraries / sizeof libraries[0]; i++) {
        lua_pushcfunction(L, libraries[i].func);
        lua_call(L, 0, 1);
        lua_setglobal(L, libraries[i].name);
    }
}
