# bpf_skeleton(NAME): bpf/NAME.bpf.c -> object -> <build>/skeletons/NAME.skel.h, as INTERFACE target skeleton_NAME.
#
# Each step writes to a temporary file and renames it: bpftool prints the skeleton to stdout, and a plain redirect would
# leave an empty header, newer than its source, when bpftool fails.
find_program(BPF_CLANG NAMES clang clang-14 REQUIRED)
find_program(BPFTOOL NAMES bpftool PATHS /usr/sbin REQUIRED)

function(bpf_skeleton NAME)
  set(out ${CMAKE_BINARY_DIR}/skeletons)
  file(MAKE_DIRECTORY ${out})
  set(obj ${out}/${NAME}.bpf.o)
  set(skel ${out}/${NAME}.skel.h)
  add_custom_command(
    OUTPUT ${obj}
    COMMAND ${BPF_CLANG} -target bpf -g -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter
            -D__TARGET_ARCH_x86 -I${PROJECT_SOURCE_DIR}/bpf -I${PROJECT_SOURCE_DIR}/bpf/vmlinux
            -MD -MF ${obj}.d -MT ${obj} -c ${PROJECT_SOURCE_DIR}/bpf/${NAME}.bpf.c -o ${obj}.tmp
    COMMAND ${BPFTOOL} gen object ${obj}.linked ${obj}.tmp
    COMMAND ${CMAKE_COMMAND} -E rename ${obj}.linked ${obj}
    DEPENDS ${PROJECT_SOURCE_DIR}/bpf/${NAME}.bpf.c
    DEPFILE ${obj}.d
    COMMENT "BPF ${NAME}"
    VERBATIM)
  add_custom_command(
    OUTPUT ${skel}
    COMMAND sh -c "'${BPFTOOL}' gen skeleton '${obj}' name ${NAME}_bpf > '${skel}.tmp' && mv '${skel}.tmp' '${skel}'"
    DEPENDS ${obj}
    COMMENT "Skeleton ${NAME}"
    VERBATIM)
  add_custom_target(skeleton_${NAME}_files DEPENDS ${skel})
  add_library(skeleton_${NAME} INTERFACE)
  add_dependencies(skeleton_${NAME} skeleton_${NAME}_files)
  target_include_directories(skeleton_${NAME} SYSTEM INTERFACE ${out})
endfunction()
