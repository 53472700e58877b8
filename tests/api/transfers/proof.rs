//! `oms verify` finds what is wrong with transfers.

use super::open;

#[tokio::test]
async fn every_fault_of_transfers_is_told() {
    for (fault, told) in [
        (
            "update packages set state_id = (select id from states where entity = 'package' and slug = 'waiting')",
            "and does not wait for them",
        ),
        (
            "update transfers set state_id = (select id from states where entity = 'transfer' and slug = 'cancelled')",
            "it waits for transfers, and none is open",
        ),
        (
            "update transfers set state_id = (select id from states where entity = 'transfer' and slug = 'in_transit')",
            "its state or place is not where its log ends",
        ),
        ("delete from transfer_logs", "it has no log"),
        (
            "update transfers set destination_location_id = (select id from stock_locations where erp_code = 'HQ')",
            "of its open transfers go elsewhere",
        ),
        ("delete from reservations", "waits without a reservation"),
        (
            "update reservations set stock_location_id = (select id from stock_locations where erp_code = 'HQ')",
            "has a reservation that is not its own",
        ),
        (
            "update package_items set state_id = (select id from states where entity = 'package' and slug = 'waiting')",
            "and it waits for none",
        ),
        ("delete from transfer_items", "it waits for a transfer, and none brings it"),
        ("update transfer_items set quantity = quantity + 1", "its transfer brings another quantity"),
        ("delete from events where entity = 'transfer'", "it counts 1 events, has 0"),
    ] {
        let shop = open().await;
        shop.fetched(&[("FAR", 2)]).await;
        assert_eq!(shop.oms(&["verify"]).await.0, 0);
        shop.execute(fault).await;
        let (code, said, _) = shop.oms(&["verify"]).await;
        assert_eq!(code, 1, "{fault}");
        assert!(said.contains(told), "{fault}: {said}");
        shop.abandon().await;
    }
}
