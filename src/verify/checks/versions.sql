-- Nothing names a version of the installation that has not been.
select kind, 'it names version ' || version || ' of the installation, which is ' || installed
  from (select 'an event' as kind, max(installation_version) as version from events
        union all select 'a version of a location', max(installation_version) from stock_location_versions
        union all select 'words of the installation', max(installation_version) from installation_words
        union all select 'an installation that was applied', max(installation_version) from installations) as named,
       (select version as installed from installation) as installation
 where version > installed
 order by 1
