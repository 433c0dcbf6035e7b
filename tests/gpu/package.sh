#!/usr/bin/env bash
# Makes gpu-package/: everything that tests/gpu/check.sh needs on a machine that has a GPU and PyTorch but not
# our libraries. Run on the machine that built the cuda preset; no GPU is needed here.
#
#   cmake --preset cuda && cmake --build --preset cuda && cmake --build --preset cpu --target sextant
#   bash tests/gpu/package.sh [FOLDER]          FOLDER: gpu-package
#
# CUDA_BUILD (build/cuda) holds sextant and the GPU tests; SEXTANT (build/cpu/sextant) makes the tokenizer and the
# shard here, where libraries of the CUDA build may be missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

package="${1:-gpu-package}"
cuda_build="${CUDA_BUILD:-build/cuda}"
maker="${SEXTANT:-build/cpu/sextant}"
limit_mib=60

fail() {
  echo "package.sh: $1" >&2
  exit "${2:-1}"
}

[ -x "$cuda_build/sextant" ] ||
  fail "$cuda_build/sextant is missing: cmake --preset cuda && cmake --build --preset cuda" 2
[ -x "$maker" ] || fail "$maker is missing: cmake --build --preset cpu --target sextant, or set SEXTANT" 2
tests=$(find "$cuda_build" -name gpu_test -type f -perm -u+x | head -n 1)
[ -n "$tests" ] || fail "no gpu_test under $cuda_build: cmake --build --preset cuda --target gpu_test" 2
maker=$(realpath "$maker")
# The script clears the folder, so it must be one that it made itself, or a new one.
if [ -e "$package" ]; then
  [ -e "$package/BUILD" ] || fail "$package exists and holds no BUILD file of ours: remove it or name another" 2
  rm -rf "$package"
fi

mca=lib/x86_64-linux-gnu/openmpi/lib/openmpi3 # below the prefix that OpenMPI was built with, and OPAL_PREFIX
pmix=lib/x86_64-linux-gnu/pmix2
mkdir -p "$package/bin" "$package/lib" "$package/$mca" "$package/$pmix/lib/pmix" "$package/share" "$package/corpus"

# --- executables
cp "$cuda_build/sextant" "$tests" "$package/bin/"
for name in mpirun orted; do
  path=$(command -v "$name") || fail "$name is missing: apt-get install openmpi-bin" 2
  cp "$(readlink -f "$path")" "$package/bin/$name"
done

# --- OpenMPI's plugins, without those for networks and programming models that one machine does not use
for plugin in "/usr/$mca"/*.so; do
  case "$(basename "$plugin")" in
    mca_atomic_* | mca_memheap_* | mca_scoll_* | mca_spml_* | mca_sshmem_* | mca_*_ucx.so | mca_*_ofi.so | \
      mca_*_openib.so | mca_mtl_psm*.so | mca_reachable_netlink.so | mca_*_monitoring.so) ;;
    *) cp "$plugin" "$package/$mca/" ;;
  esac
done
cp -r /usr/share/openmpi "$package/share/openmpi"
if [ -d "/usr/$pmix/lib/pmix" ]; then
  cp "/usr/$pmix/lib/pmix"/*.so "$package/$pmix/lib/pmix/"
  [ ! -d "/usr/$pmix/share" ] || cp -r "/usr/$pmix/share" "$package/$pmix/share"
fi

# --- shared libraries that the other machine may lack: what is needed, less what it has
there() { # PyTorch brings its own and CUDA's; the driver, the C and the C++ library are the machine's
  case "$1" in
    libtorch* | libc10* | libshm* | libcu* | libnv* | libnccl* | libgomp* | libcaffe2*) return 0 ;;
    ld-linux* | libc.so* | libm.so* | libdl.so* | librt.so* | libpthread.so* | libutil.so* | libresolv.so*) return 0 ;;
    libstdc++.so* | libgcc_s.so*) return 0 ;;
  esac
  return 1
}
locate() { ldconfig -p | awk -v name="$1" '$1 == name && /x86-64/ && !found { print $NF; found = 1 }'; }

mapfile -t queue < <(find "$package/bin" "$package/$mca" "$package/$pmix" -type f \( -perm -u+x -o -name '*.so*' \))
while [ "${#queue[@]}" -gt 0 ]; do
  file="${queue[0]}"
  queue=("${queue[@]:1}")
  while read -r name; do
    if there "$name" || [ -e "$package/lib/$name" ]; then continue; fi
    path=$(locate "$name")
    [ -n "$path" ] || fail "$file needs $name, which ldconfig does not know"
    cp -L "$path" "$package/lib/$name"
    queue+=("$package/lib/$name")
  done < <(objdump -p "$file" | awk '$1 == "NEEDED" { print $2 }')
done
find "$package/bin" "$package/lib" -type f \( -perm -u+x -o -name '*.so*' \) -exec chmod u+w {} + \
  -exec strip --strip-unneeded {} +

# --- the benchmark: its configuration, its peer, and shards of real text, our own documentation and sources
cp tests/gpu/check.sh tests/gpu/peer.py tests/gpu/report.py tests/gpu/gpt_124m.yaml "$package/"
mapfile -t texts < <(git ls-files '*.md' '*.h' '*.cpp' '*.proto' | sort)
[ "${#texts[@]}" -gt 0 ] || fail "git ls-files names no text: run from a checkout"
"$maker" tokenizer train --vocabulary 4096 --output "$package/corpus/tokenizer.json" "${texts[@]}"
"$maker" data build --tokenizer "$package/corpus/tokenizer.json" --output "$package/corpus/shard" "${texts[@]}"
# A mistake in the configuration should show here, not on the other machine.
(cd "$package" && "$maker" config show gpt_124m.yaml >/dev/null)

commit=$(git describe --always --dirty --abbrev=12)
printf 'commit: %s\nbuilt: %s\n' "$commit" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$package/BUILD"

mib=$(du -sm "$package" | cut -f 1)
[ "$mib" -le "$limit_mib" ] || fail "$package has $mib MiB, more than the $limit_mib that may travel"
echo "$package: $mib MiB, commit $commit. On the machine with a GPU: bash $package/check.sh"
