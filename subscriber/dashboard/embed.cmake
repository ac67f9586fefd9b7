# Writes the files of pages/ and static/ into a C source, so that the program is one file:
#   cmake -DFILES="a;b" -DROOT=dir -DOUT=assets.c -P embed.cmake
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS FILES)
    file(READ ${file} hex HEX)
    file(RELATIVE_PATH name ${ROOT} ${file})
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n"
        bytes "${bytes}")
    string(APPEND arrays "static const unsigned char file${number}[] = {\n${bytes}0};\n")
    string(APPEND rows "    {\"${name}\", file${number}, sizeof file${number} - 1},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "#include \"asset.h\"\n\n${arrays}
const struct asset assets[] = {\n${rows}    {NULL, NULL, 0},\n};\n")
