//! What the account of Postgres may have planted in its folder before root works there. Root is needed for that: for
//! anybody else there is no other account, and these tests say nothing.

use std::os::unix::fs::{MetadataExt as _, chown, symlink};

use super::*;

/// A cluster of root's that is down, and the account; none if the tests do not run as root.
async fn cluster_of_root() -> Option<(TempDir, ClusterSettings, Arc<Home>)> {
    if !is_root() {
        eprintln!("not root: nothing is lent to another account here");
        return None;
    }
    let folder = temporary_folder();
    let settings = settings(folder.path().join("oms/postgres"));
    let cluster = Cluster::start(&settings).await.unwrap();
    let home = Arc::clone(&cluster.home);
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
    Some((folder, settings, home))
}

/// A file of root's, and what must not change about it.
struct Victim {
    path: PathBuf,
    was: (u32, u32, String),
}

impl Victim {
    fn new(folder: &Path) -> Self {
        let path = folder.join("victim");
        fs::write(&path, "root's own\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        Self { was: Self::look(&path), path }
    }

    fn look(path: &Path) -> (u32, u32, String) {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.mode(), fs::read_to_string(path).unwrap())
    }

    fn is_as_it_was(&self, planted: &str) {
        assert_eq!(Self::look(&self.path), self.was, "{planted}");
    }
}

/// Runs a script as the account of Postgres, and returns if it succeeded.
fn as_postgres(home: &Home, script: &str, folder: &Path) -> bool {
    let mut command = Command::new("sh");
    command.args(["-ec", script]).current_dir(folder);
    home.account.put_on(&mut command);
    command.status().unwrap().success()
}

#[tokio::test]
async fn root_follows_no_link_that_a_folder_of_before_has_in_it() {
    let Some((folder, settings, home)) = cluster_of_root().await else { return };
    let victim = Victim::new(folder.path());
    let target = victim.path.display();
    for name in ["postgres.log", "command.log", "starter.lock", "users.lock"] {
        for (planted, is_hard) in [(format!("ln -sf {target} {name}"), false), (format!("ln -f {target} {name}"), true)]
        {
            chown(&settings.data_dir, Some(home.account.uid), None).unwrap();
            // The system may keep the account from making hard links to files of others: then root makes it here.
            if is_hard {
                fs::remove_file(settings.data_dir.join(name)).ok();
                fs::hard_link(&victim.path, settings.data_dir.join(name)).unwrap();
            } else {
                assert!(as_postgres(&home, &planted, &settings.data_dir));
            }
            let error = Cluster::start(&settings).await.unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("remove it"), "{error}");
            victim.is_as_it_was(&planted);
            fs::remove_file(settings.data_dir.join(name)).unwrap();
        }
    }
    // With what was planted gone it starts, and the folder is root's.
    let cluster = Cluster::start(&settings).await.unwrap();
    assert_eq!(value(&cluster, "postgres", "select 'up'").await, "up");
    for script in ["touch new", "rm postgres.log", "ln -s /etc/passwd link", "mv data elsewhere", "mv socket elsewhere"]
    {
        assert!(!as_postgres(&home, script, &settings.data_dir), "{script}");
    }
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
}

#[tokio::test]
async fn root_writes_nothing_inside_the_folder_of_the_data() {
    let Some((folder, settings, home)) = cluster_of_root().await else { return };
    let victim = Victim::new(folder.path());
    let target = victim.path.display();
    let data = settings.data_dir.join("data");
    // A stranger in `postmaster.pid`: the file is written anew, by way of `postmaster.pid.new`.
    let mut stranger = Command::new("sleep").arg("60").spawn().unwrap();
    let lines = format!("{}\\n{}\\n1\\n5432\\n/tmp\\n\\n0 0\\nready\\n", stranger.id(), data.display());
    for plant in [
        format!("ln -sf {target} postmaster.pid.new; printf '{lines}' > postmaster.pid"),
        format!("ln -sf {target} postmaster.opts"),
    ] {
        assert!(as_postgres(&home, &plant, &data), "{plant}");
        if let Ok(cluster) = Cluster::start(&settings).await {
            cluster.stop().await.ok();
        }
        victim.is_as_it_was(&plant);
        assert!(as_postgres(&home, "rm -f postmaster.pid.new postmaster.pid postmaster.opts", &data));
        let mut stop = home.pg_ctl("stop");
        stop.args(["-m", "immediate"]).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        stop.status().unwrap();
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    // A pipe would never answer, and a link may lead to what the account may not read.
    assert!(as_postgres(&home, &format!("mkfifo pipe; ln -s {target} link; echo 15 > file"), &data));
    let read = |name: &str| files::read_file(&data.join(name));
    assert_eq!((read("pipe"), read("link"), read("file").as_deref()), (None, None, Some("15\n")));
}

#[tokio::test]
async fn a_new_cluster_is_made_in_an_unfinished_one_without_touching_what_it_links_to() {
    let Some((folder, settings, home)) = cluster_of_root().await else { return };
    let victim = Victim::new(folder.path());
    fs::rename(settings.data_dir.join("data"), settings.data_dir.join("data.new")).unwrap();
    let plant = format!(
        "rm postgresql.conf; ln -s {} postgresql.conf; ln -s {} base/x",
        victim.path.display(),
        folder.path().display()
    );
    assert!(as_postgres(&home, &plant, &settings.data_dir.join("data.new")));
    let cluster = Cluster::start(&settings).await.unwrap();
    victim.is_as_it_was(&plant);
    assert_eq!(value(&cluster, "postgres", "show listen_addresses").await, "");
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
    assert!(!settings.data_dir.join("data.new").exists());
}

#[tokio::test]
async fn a_way_that_the_account_can_change_is_refused() {
    let Some((folder, settings, home)) = cluster_of_root().await else { return };
    let account = home.account.uid;
    let above = settings.data_dir.parent().unwrap().to_owned();
    let refused = async |settings: &ClusterSettings, named: &Path| {
        let error = Cluster::start(settings).await.unwrap_err().to_string();
        assert!(error.starts_with(&named.display().to_string()), "{error}");
    };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();

    chown(&above, Some(account), None).unwrap();
    refused(&settings, &above).await;
    chown(&above, Some(0), home.account.switch_to).unwrap();
    mode(&above, 0o775);
    refused(&settings, &above).await;
    mode(&above, 0o757);
    refused(&settings, &above).await;
    mode(&above, 0o755);
    mode(&settings.data_dir, 0o777);
    refused(&settings, &settings.data_dir.canonicalize().unwrap()).await;
    mode(&settings.data_dir, 0o755);

    // A link of the account's, and a folder of the account's on the way of a link.
    let theirs = folder.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    chown(&theirs, Some(account), None).unwrap();
    assert!(as_postgres(&home, &format!("ln -s {} link", above.display()), &theirs));
    symlink(theirs.join("link"), folder.path().join("ours")).unwrap();
    let by_link = self::settings(folder.path().join("ours/postgres"));
    refused(&by_link, &theirs).await;

    // `data` itself.
    let data = settings.data_dir.join("data");
    fs::rename(&data, settings.data_dir.join("moved")).unwrap();
    symlink("moved", &data).unwrap();
    refused(&settings, &data).await;
    fs::remove_file(&data).unwrap();
    fs::rename(settings.data_dir.join("moved"), &data).unwrap();

    let cluster = Cluster::start(&settings).await.unwrap();
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
}
