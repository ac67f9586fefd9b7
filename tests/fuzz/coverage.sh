# Lines of the decoders that the fuzz targets reached, after they have run.
#   coverage.sh BUILD_DIRECTORY
# Fails where a decoder's file is covered less than LEAST percent of its lines.
set -euo pipefail
build=$1
least=80
decoders="proto/scan proto/msgpack proto/report proto/record proto/event proto/bundle proto/heads proto/request
    proto/envelope proto/topic proto/pattern proto/money proto/value proto/utf8
    broker/settings broker/unbundle broker/audience broker/actors broker/permission publisher/outbox_pack publisher/input publisher/csv_input publisher/encode
    subscriber/dashboard/url subscriber/dashboard/routes subscriber/dashboard/view_names"

profiles=("$build"/fuzz/*.profraw)
objects=()
for program in "$build"/bin/fuzz-*; do
    objects+=(-object "$program")
done
llvm-profdata-14 merge -sparse "${profiles[@]}" -o "$build/fuzz/all.profdata"

poor=0
for name in $decoders; do
    file="$CASEBUS_SRC/$name.c"
    [ -f "$file" ] || continue
    # The last line of the report is the total; its tenth column is the share of lines reached.
    share=$(llvm-cov-14 report "${objects[@]:1}" -instr-profile "$build/fuzz/all.profdata" \
        "$file" 2>/dev/null | awk '/^TOTAL/ {print $10}')
    printf '%-36s %8s of lines\n' "$name.c" "$share"
    [ "${share%.*}" -ge "$least" ] || poor=$((poor + 1))
done
if [ "$poor" -eq 0 ]; then
    echo "1 passed, 0 failed"
else
    echo "$poor of the decoders are covered less than $least %"
    exit 1
fi
