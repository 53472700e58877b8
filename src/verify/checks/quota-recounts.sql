-- An installation that changed which states occupy quota, and has not written all of the ledger.
select 'quota ledger', 'it is not complete since version ' || installation_version
                       || ' of the installation; oms install completes it'
  from quota_recounts order by installation_version
