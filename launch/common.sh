# shellcheck shell=bash
# What the launchers share: options, quoting, prices and caps. A launcher sets `place`, `option` (names and defaults),
# `flag` and `identity` (the options that name what it started), defines `usage` and `left_running`, calls
# `begin "$@"`, and acts on `verb`, `option`, `flag` and `arguments`.
set -euo pipefail
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "launch: bash $BASH_VERSION is too old, 4.4 or newer is needed (macOS: brew install bash)" >&2
  exit 2
fi

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
verb=help dry_run="" price="" hours="" state=""
declare -A option flag
arguments=()
: "${place:=launch}"
# shellcheck source=launch/running.sh
source "$root/launch/running.sh"

common_usage() {
  cat <<'HELP'
  --name NAME        what the run is called there          (default: jnas)
  --max-hours H      end the search after H hours
  --max-usd USD      the same, in dollars of machine time; refused where the price is unknown
  --price USD        an hour of everything started here    (default: as in launch/prices.tsv, else unknown)
  --restarts N       start again so often after pre-emption or exit code 75
  --dry-run          print the commands and run none
  --yes              delete: do not ask
  --help             this page

What follows -- goes to `python -m jnas.search`. The other verbs, `resume` among them, remember the line that was
submitted under that name; options given to them win over it.
HELP
}

stop_with() { # stop_with CODE MESSAGE
  echo "$place.sh: $2" >&2
  exit "$1"
}

fail() { stop_with 2 "$1; see launch/$place.sh --help"; }

quoted() { # the words as a shell reads them, each after a space
  local word quote="'\\''"
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "${word//\'/$quote}"; fi
  done
}

json() { # the words as JSON strings, comma-separated: YAML reads them as they are
  local word comma=""
  for word in "$@"; do
    word=${word//\\/\\\\}
    printf '%s"%s"' "$comma" "${word//\"/\\\"}"
    comma=", "
  done
}

checked() { # checked OPTION VALUE
  case $1 in
    name) [[ $2 =~ ^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$ ]] || fail "--name '$2': expected a-z, 0-9 and -, 30 at most" ;;
    price | max-hours | max-usd)
      [[ $2 =~ ^[0-9]+(\.[0-9]+)?$ && $2 =~ [1-9] ]] || fail "--$1 '$2': expected a number above 0"
      ;;
    restarts | hosts | chips | patience) [[ $2 =~ ^[0-9]{1,6}$ ]] || fail "--$1 '$2': expected a whole number" ;;
    *) [[ $2 =~ ^[A-Za-z0-9/._~][A-Za-z0-9/._~:@+=,-]*$ ]] || fail "--$1 '$2': has a character that no such value has" ;;
  esac
}

read_options() {
  local name
  while (($#)); do
    name=${1#--}
    case $1 in
      --dry-run) dry_run=yes ;;
      --help) verb=help ;;
      --)
        arguments=("${@:2}")
        return
        ;;
      --?*)
        if [[ -n ${flag[$name]+known} ]]; then
          flag[$name]=yes
        elif [[ -n ${option[$name]+known} ]]; then
          (($# > 1)) || fail "$1 needs a value"
          checked "$name" "$2"
          option[$name]=$2
          shift
        else
          fail "unknown option '$1'"
        fi
        ;;
      *) fail "unknown option '$1'" ;;
    esac
    shift
  done
}

begin() {
  local word given=("${@:2}") earlier=()
  verb=${1:-help}
  option+=([name]=jnas [restarts]=0 [price]="" [max-hours]="" [max-usd]="") flag+=([yes]="")
  case $verb in
    --help | -h) verb=help ;;
    help | submit | resume | status | logs | stop | delete) ;;
    *) [[ " ${more_verbs:-} " == *" $verb "* ]] || fail "unknown verb '$verb'" ;;
  esac
  read_options ${given[@]+"${given[@]}"}
  state=${JNAS_LAUNCH_HOME:-$root/runs/launch}/$place-${option[name]}
  if [[ $verb != submit && -f $state/line ]]; then
    mapfile -d '' -t earlier <"$state/line"
    read_options ${earlier[@]+"${earlier[@]}"}
    flag[yes]=""
    read_options ${given[@]+"${given[@]}"}
  fi
  for word in ${arguments[@]+"${arguments[@]}"}; do
    [[ ! $word =~ [[:cntrl:]] ]] || fail "a search argument has a control character in it"
    [[ ! $word =~ AIza[0-9A-Za-z_-]{30} ]] || fail "a search argument looks like a key; name it with --secret instead"
  done
  [[ $verb != help ]] || { usage && common_usage && exit 0; }
  [[ $verb != submit && $verb != resume ]] || limits
  [[ -n $dry_run ]] || watch_the_end
  [[ $verb != submit || -n $dry_run ]] || printf '%s\0' ${given[@]+"${given[@]}"} >"$state/line.new"
}

limits() { # sets price and hours, each empty when unknown or unlimited, and says them
  price=${option[price]} hours=${option[max-hours]}
  [[ -n $price ]] || price=$(listed_price "${option[type]:-}" "${option[zone]:-}" "${flag[spot]:-}")
  if [[ -n ${option[max-usd]} ]]; then
    [[ -n $price ]] || fail "--max-usd ${option[max-usd]}: the price an hour is unknown here; give --price USD"
    hours=$(awk -v usd="${option[max-usd]}" -v price="$price" -v hours="${hours:-1e9}" \
      'BEGIN { if (usd / price < hours) hours = usd / price; printf "%.3f", hours }')
  fi
  echo "# dollars an hour: ${price:-unknown}; hours: ${hours:-unlimited}"
}

listed_price() { # listed_price TYPE ZONE SPOT: dollars an hour, or nothing where launch/prices.tsv does not know
  awk -F '\t' -v type="${1#tpu-}" -v zone="$2" -v spot="$3" '
    BEGIN { if (split(type, part, "-") != 2) exit }
    part[1] == $1 && zone == $2 { printf "%.2f", part[2] / $3 * (spot == "" ? $4 : $5); exit }' "$root/launch/prices.tsv"
}

host_line() { # host_line SOURCE RESTARTS OPTION...: sets `line`, what host.sh is told besides its verb
  local name
  line=(--source "$1" --restarts "$2")
  for name in "${@:3}"; do
    [[ ${option[$name]:-none} == none ]] || line+=("--$name" "${option[$name]}")
  done
  line+=(${hours:+--hours "$hours"} -- ${arguments[@]+"${arguments[@]}"})
}
