#!/usr/bin/env bash
# Packages the chart of a version, with the released image as its default, and prints the path of the package.
#
#   chart.sh VERSION IMAGE FOLDER      IMAGE as NAME[:TAG][@DIGEST]; FOLDER is where the package goes
#
# Helm is built from its pinned module (tests/tools).
set -euo pipefail
[ "${1:-}" != --help ] || { sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0; }
usage='chart.sh VERSION IMAGE FOLDER'
version=${1:?$usage} image=${2:?$usage}
mkdir -p "${3:?$usage}"
folder=$(cd "$3" && pwd)
cd "$(dirname "$0")/../.."
helm=$(tests/tools/tool.sh helm)

digest='' tag='' name=${image%%@*}
[ "$name" = "$image" ] || digest=${image#*@}
# A colon before the last slash is that of a port.
if [[ ${name##*/} == *:* ]]; then tag=${name##*:} name=${name%:*}; fi
[[ $name$tag$digest =~ ^[A-Za-z0-9._:/-]+$ ]] || { echo "chart: no image's name: $image" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
cp -r deploy/helm/custom-metrics-adapter "$work/"
values=$work/custom-metrics-adapter/values.yaml
sed -i "/^image:/,/^\$/{
  s|^  repository: .*|  repository: $name|
  s|^  tag: .*|  tag: \"$tag\"|
  s|^  digest: .*|  digest: \"$digest\"|
}" "$values"
grep -qxF "  repository: $name" "$values" || { echo "chart: values.yaml has no image.repository to set" >&2; exit 1; }
export HELM_CACHE_HOME=$work/cache HELM_CONFIG_HOME=$work/config HELM_DATA_HOME=$work/data
"$helm" lint --strict "$work/custom-metrics-adapter" >&2
"$helm" package "$work/custom-metrics-adapter" --version "$version" --app-version "$version" --destination "$folder" >&2
echo "$folder/custom-metrics-adapter-$version.tgz"
