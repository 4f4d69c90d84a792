#!/bin/sh
# coverage.sh - gcov's report of many files on standard input becomes a table, the least covered file first.
awk -F"'" '
    /^File / { file = $2 }
    /^Lines executed:/ && file !~ /^\// {
        split($0, part, /[:% ]+/)
        percent = part[3]; lines = part[5]
        if (!(file in most) || percent > most[file]) {
            most[file] = percent
            of[file] = lines
        }
        file = "/"
    }
    END {
        for (file in most) {
            printf "%6.1f%%  %5d  %s\n", most[file], of[file], file | "sort -n"
            all += of[file]
            reached += of[file] * most[file] / 100
        }
        close("sort -n")
        if (all)
            printf "%6.1f%%  %5d  all\n", reached * 100 / all, all
    }'
