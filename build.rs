//! Migrations and checked queries are compiled in: a change of either means compiling again, which cargo would not see.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=.sqlx");
}
