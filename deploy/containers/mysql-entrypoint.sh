#!/usr/bin/env bash
# Does with MariaDB what the entrypoint of the public image mysql does with the variables that compose.yaml and Tutor
# set: an empty data folder gets a root user, with a random password unless there is one, and a database with its user
# if there is one. The server that does this listens on no port, so that nobody meets it half done.
set -euo pipefail
data=/var/lib/mysql
case ${1:-} in
  -*) set -- mariadbd "$@" ;;
  mysqld | mariadbd) ;;
  *) exec "$@" ;;
esac
# MariaDB has no such option.
set -- "${@/#--mysql-native-password=/--loose-mysql-native-password=}"
# As another user than root, it needs no other.
as=()
if [ "$(id -u)" = 0 ]; then
  as=(--user=mysql)
  chown mysql: "$data"
fi

if [ ! -d "$data/mysql" ]; then
  mariadb-install-db "${as[@]}" --skip-test-db --auth-root-authentication-method=normal >/dev/null
  mariadbd "${as[@]}" --skip-networking &
  until mariadb-admin --user=root --silent ping; do sleep 0.2; done
  root=${MYSQL_ROOT_PASSWORD:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}
  if [ -n "${MYSQL_DATABASE:-}" ]; then
    mariadb --user=root <<SQL
CREATE DATABASE \`$MYSQL_DATABASE\`;
CREATE USER '$MYSQL_USER'@'%' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL ON \`$MYSQL_DATABASE\`.* TO '$MYSQL_USER'@'%';
SQL
  fi
  mariadb --user=root <<SQL
CREATE USER 'root'@'%' IDENTIFIED BY '$root';
GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
ALTER USER 'root'@'localhost' IDENTIFIED BY '$root';
SQL
  mariadb-admin --user=root --password="$root" shutdown
  wait
fi
exec "$@" "${as[@]}" --bind-address=0.0.0.0
