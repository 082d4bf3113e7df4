%module sqlite
%include "all.i"
%{
#include <sqlite3.h>
#define CALLBACKS_STOP
#define GIL_POLLED     // it asks progress() now and then whether to go on: Ctrl-C ends a query
static int progress(void *) { return gil::poll(); }
static const char *message(sqlite3 *db) { return sqlite3_errmsg(db); }
static const char *message(sqlite3_stmt *of) { return sqlite3_errmsg(sqlite3_db_handle(of)); }
typedef void (*on_update)(void *user, int, const char *, const char *table, sqlite3_int64 row);
%}
typedef long long sqlite3_int64;
%error_class(SqliteError)
%status(int, status != SQLITE_OK, message(arg1), SqliteError)
%status_or_value(int sqlite3_stmt::step, status < SQLITE_ROW, message(arg1), SqliteError)
%quick(sqlite3::changes, sqlite3::interrupt, sqlite3_stmt::column_int64,
       sqlite3_stmt::column_double, sqlite3_stmt::column_text)
%keeps_callback((on_update callback, void *user))

%rename(Connection) sqlite3;
%handle(sqlite3, sqlite3_close_v2, sqlite3_interrupt(handle))
%opens(sqlite3, (const char *path),
       (sqlite3_open(path, &opened), sqlite3_progress_handler(opened, 1000, progress, nullptr),
        sqlite3_errcode(opened)), status, message(opened), SqliteError)
%extend sqlite3 {
  int execute(const char *sql) { return sqlite3_exec($self, sql, nullptr, nullptr, nullptr); }
  int busy_timeout(int ms);
  long changes();
  void interrupt();
  void on_update(on_update callback, void *user) { sqlite3_update_hook($self, callback, user); }
}

%rename(Statement) sqlite3_stmt;
%handle(sqlite3_stmt, sqlite3_finalize, sqlite3_interrupt(sqlite3_db_handle(handle)))
%one_at_a_time(sqlite3_stmt)
%opens(sqlite3_stmt, (sqlite3 *db, const char *sql),
       sqlite3_prepare_v2(db, sql, -1, &opened, nullptr), status, message(db), SqliteError)
%functions(sqlite3_stmt, sqlite3_, step, reset, bind_int64, column_int64, column_double)
%extend sqlite3_stmt {
  int step();
  int reset();
  int bind_int64(int i, sqlite3_int64 value);
  sqlite3_int64 column_int64(int i);
  double column_double(int i);
  const char *column_text(int i) {
    return reinterpret_cast<const char *>(sqlite3_column_text($self, i));
  }
}
