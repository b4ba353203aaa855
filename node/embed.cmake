# Turns a file into C bytes:
#   cmake -DIN=.. -DOUT=.. -DNAME=.. -DHEADER=.. [-DHEX=1] -P embed.cmake
if(HEX) # the file is hex text already
  file(READ ${IN} digits)
  string(STRIP "${digits}" digits)
else()
  file(READ ${IN} digits HEX)
endif()
string(LENGTH "${digits}" length)
math(EXPR bytes "${length} / 2")
string(REGEX REPLACE "(..)" "0x\\1," body "${digits}")
string(REGEX REPLACE "((0x..,){16})" "\\1\n" body "${body}")
file(WRITE ${OUT} "#include \"${HEADER}\"\nconst uint8_t ${NAME}[] = {\n${body}};\nconst size_t ${NAME}_bytes = ${bytes};\n")
