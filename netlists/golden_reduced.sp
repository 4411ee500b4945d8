* golden: reduced netlist (inputs and amplifiers eliminated, exact)
* proven: there is one operating point, and the circuit comes to rest there from any start
* units: V, A, ohm, F, H; temperature 27 degrees Celsius
* rail bias: 1 V
* rail clamp: 0.3 V
* input x_0: 2 V * feature 0
* input x_1: 2 V * feature 1
* output 0: v(out_0)
* output 1: v(out_1)
* node h_0 of the circuit is at 0.25*v(y_0)
* node h_1 of the circuit is at 0.25*v(y_1)
.subckt golden y_0 y_1 out_0 out_1 eq_up_0
R_0 y_0 0 24390.243902439022
R_1 y_1 0 16393.442622950817
R_0_2 y_0 out_0 99999.99999999999
R_0_3 y_0 out_1 49999.99999999999
R_1_2 y_1 out_0 49999.99999999999
R_1_3 y_1 out_1 99999.99999999999
G_2_3 out_0 0 out_1 0 1e-06
G_3_2 out_1 0 out_0 0 1e-06
.model m_up_0 d is=4e-09 n=4.0
D_up_0 y_0 eq_up_0 m_up_0
D_up_1 y_1 eq_up_0 m_up_0
B_down_0 0 y_0 i=0.01*(12.5*(uramp(v(0,y_0))-uramp(v(0,y_0)-0.04))*(uramp(v(0,y_0))-uramp(v(0,y_0)-0.04))+uramp(v(0,y_0)-0.04))
B_down_1 0 y_1 i=0.01*(12.5*(uramp(v(0,y_1))-uramp(v(0,y_1)-0.04))*(uramp(v(0,y_1))-uramp(v(0,y_1)-0.04))+uramp(v(0,y_1)-0.04))
.ends golden
X_golden y_0 y_1 out_0 out_1 eq_up_0 golden
B_eq_i0 0 y_0 i=pwl(v(eq_s),0,8.400000000000001e-05,1,2.3999999999999997e-05)
B_eq_i1 0 y_1 i=pwl(v(eq_s),0,0.000164,1,4e-06)
I_2 0 out_0 1e-07
I_3 0 out_1 -1e-07
V_eq_up_0 eq_up_0 0 1.2
V_eq_s eq_s 0 0
V_eq_p eq_p 0 0
.options reltol=1e-11 vntol=1e-13 abstol=1e-16 gmin=1e-18 itl1=500 itl2=200 noacct
.temp 27
.width out=96
.dc v_eq_s 0 1 1
.print dc v(eq_s) v(eq_p) v(out_0) v(out_1)
.end
